"""The UI-free core. Import `Core` from `venom_tui.core.core`; this package stays empty: importing a part is cheap."""
