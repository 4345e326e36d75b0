"""The BentoML service whose application is ours.

The master process imports this too and makes no application: `serving.app` and what it needs of BentoML, a third of a
worker's imports, come with the worker.
"""

from typing import TYPE_CHECKING, Any

from _bentoml_sdk import Service as BentoService

if TYPE_CHECKING:
    from starlette.applications import Starlette


class Service(BentoService[Any]):
    """A BentoML service whose application is made by `serving.app.AppFactory`."""

    @property
    def baked_models(self) -> list[str]:
        """The tags of the models that the Bento carries; none when served from source."""
        return [str(model.tag) for model in self.bento.info.all_models] if self.bento else []

    @property
    def version(self) -> str:
        """The Bento's version, or what stands for it when served from source."""
        return str(self.bento.tag.version) if self.bento else "development"

    @property
    def openapi_spec(self) -> dict[str, Any]:
        from serving.openapi import document

        return document(
            self.name, self.inner.__doc__ or "", self.version, self.apis.values(), bool(self.inner.settings.api_keys)
        )

    def to_asgi(self, is_main: bool = True) -> "Starlette":
        from serving.app import AppFactory

        self.inject_config()
        return AppFactory(self, is_main=is_main)()
