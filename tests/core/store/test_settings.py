from __future__ import annotations

from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.request import GenerationParameters

from .support import Store


async def test_settings(store: Store) -> None:
    kept = SettingsStore(store.database)
    assert await kept.load() == {}
    await kept.save_all({"A": "1"})
    await kept.save_all({"A": "2"})
    await kept.save_all({"B": "ü", "C": ""})
    await kept.save_all({"C": None})
    await kept.save_all({"gone": None})
    assert await kept.load() == {"A": "2", "B": "ü"}


async def test_parameters(store: Store) -> None:
    kept = SettingsStore(store.database)
    assert await kept.parameters("embedded", "tiny") == GenerationParameters()
    chosen = GenerationParameters(temperature=0.0, max_tokens=5, stop=("a", "b"))
    await kept.save_parameters("embedded", "tiny", chosen)
    await kept.save_parameters("ollama", "tiny", GenerationParameters(seed=7))
    assert await kept.parameters("embedded", "tiny") == chosen
    assert await kept.parameters("ollama", "tiny") == GenerationParameters(seed=7)
    await kept.save_parameters("embedded", "tiny", GenerationParameters())
    assert await kept.parameters("embedded", "tiny") == GenerationParameters()
    assert await store.count("parameters") == 1


async def test_parameters_of_a_later_venom_tui(store: Store) -> None:
    await store.database.write(
        lambda db: db.execute("""INSERT INTO parameters VALUES ('embedded', 'tiny', '{"top_k": 3, "flux": 1}')""")
    )
    assert await SettingsStore(store.database).parameters("embedded", "tiny") == GenerationParameters(top_k=3)
