"""``torch.utils.model_zoo``: the older name of downloads through ``torch.hub``, which minigrad refuses."""

from ..hub import load_state_dict_from_url as load_url  # noqa: F401
