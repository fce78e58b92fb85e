"""The UI-free core. Import `Core` from `venom_tui.core.core`; this package stays empty so that importing a part is cheap."""
