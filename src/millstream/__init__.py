"""The whole life of a model in one Python file: `import millstream as ms`.

Nothing is loaded until it is named: each name below lives in the room that does its work.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.errors import MillstreamError
    from millstream.evaluation import declare_gate as gate
    from millstream.evaluation import declare_split as split
    from millstream.features.declare import (
        FeatureView,
        Label,
        TrainingSet,
        aggregate,
        feature_view,
        label,
        on_demand,
        training_set,
    )
    from millstream.kernel.declare import Step, each, step
    from millstream.kernel.triggers import Trigger, cron, every
    from millstream.maintenance.declare import retrain
    from millstream.monitoring.declare import Monitor, monitor
    from millstream.preparation import declare as prepare
    from millstream.project import Project
    from millstream.serving.declare import Deployment, deploy
    from millstream.serving.predictor import Predictor
    from millstream.sources import declare_rest as rest
    from millstream.sources.declare import Source, sink, source, time_spine
    from millstream.training import declare_methods as methods
    from millstream.training.declare import Model, train

__version__ = "0.1.0"

__all__ = [
    "Deployment",
    "FeatureView",
    "Label",
    "MillstreamError",
    "Model",
    "Monitor",
    "Predictor",
    "Project",
    "Source",
    "Step",
    "TrainingSet",
    "Trigger",
    "aggregate",
    "cron",
    "deploy",
    "each",
    "every",
    "feature_view",
    "gate",
    "label",
    "methods",
    "monitor",
    "on_demand",
    "prepare",
    "rest",
    "retrain",
    "sink",
    "source",
    "split",
    "step",
    "time_spine",
    "train",
    "training_set",
]

if not TYPE_CHECKING:
    _ROOMS = {
        "errors": ["MillstreamError"],
        "features.declare": [
            "FeatureView",
            "Label",
            "TrainingSet",
            "aggregate",
            "feature_view",
            "label",
            "on_demand",
            "training_set",
        ],
        "kernel.declare": ["Step", "each", "step"],
        "kernel.triggers": ["Trigger", "cron", "every"],
        "maintenance.declare": ["retrain"],
        "monitoring.declare": ["Monitor", "monitor"],
        "project": ["Project"],
        "serving.declare": ["Deployment", "deploy"],
        "serving.predictor": ["Predictor"],
        "sources.declare": ["Source", "sink", "source", "time_spine"],
        "training.declare": ["Model", "train"],
    }
    _ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
    _NAMESPACES = {
        "gate": "evaluation.declare_gate",
        "methods": "training.declare_methods",
        "prepare": "preparation.declare",
        "rest": "sources.declare_rest",
        "split": "evaluation.declare_split",
    }

    def __getattr__(name: str) -> object:
        """Load a public name from its room when it is first used."""
        if name in _NAMESPACES:
            value = import_module(f"millstream.{_NAMESPACES[name]}")
        elif name in _ROOM_OF:
            value = getattr(import_module(f"millstream.{_ROOM_OF[name]}"), name)
        else:
            raise AttributeError(f"module 'millstream' has no attribute '{name}'", name=name, obj=sys.modules[__name__])
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """The public names."""
        return [*__all__, "__version__"]
