"""Which part an exception came out of."""

from traceback import walk_tb

from decda.core.contracts import Augmentation, Autoencoder, ClusteringHead


def culprit(error: BaseException, autoencoder: Autoencoder, head: ClusteringHead, augment: Augmentation) -> str | None:
    """The kind of the part (`encoder`, `head`, `augment`) one of whose methods is innermost on the way; None if none.

    A method of a layer counts as one of the part that holds the layer.
    """
    owners: dict[int, str] = {id(augment): "augment"}
    for kind, module in (("encoder", autoencoder), ("head", head)):
        owners |= {id(layer): kind for layer in module.modules()}
    for frame, _ in reversed(list(walk_tb(error.__traceback__))):
        found = owners.get(id(frame.f_locals.get("self")))
        if found is not None:
            return found
    return None
