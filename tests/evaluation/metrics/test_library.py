import inspect
import pkgutil
from importlib import import_module

from routerbench.evaluation import metrics

HELD_BACK = {"checks"}


def test_every_metric_is_exported_and_listed():
    modules = [
        import_module(f"{metrics.__name__}.{module.name}")
        for module in pkgutil.iter_modules(metrics.__path__)
        if module.name not in HELD_BACK
    ]
    public = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    }
    assert set(metrics.__all__) == set(public)
    for name, value in public.items():
        assert getattr(metrics, name) is value
        if inspect.isfunction(value):
            assert f"``{name}``" in metrics.__doc__
            assert ">>> " in value.__doc__
