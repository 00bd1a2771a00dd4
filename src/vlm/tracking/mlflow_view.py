"""A view as MLflow's page keeps those that people save: JSON in a tag of the experiment.

The names are those of MLflow's own page (its ExperimentPageUIState, ExperimentPageSearchFacetsState and
savedViewEnvelope); what a view does not say is as the page has it. A test opens one in a browser.
"""

import json
import time
from typing import Any

from vlm.tracking.view import View

VIEW_TAG = "mlflow.sharedViewState."
KEY = "viewStateShareKey"
CHARTS = "vlm"
"""The section of our charts, above those that the page makes of every other metric."""
LINE = {
    "xAxisKey": "step",
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "selectedXAxisMetricKey": "",
    "lineSmoothness": 0,
    "range": {},
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}
"""What the page wants to know of a line chart."""


def write_view(view: View) -> str:
    """Return the value of the tag."""
    now = round(time.time() * 1000)
    state = json.dumps(_state(view))
    return json.dumps({"name": view.title, "createdAt": now, "updatedAt": now, "state": state})


def _state(view: View) -> dict[str, Any]:
    columns = [*(f"params.`{name}`" for name in view.params), *(f"metrics.`{name}`" for name in view.metrics)]
    keys = [{"mode": "param", "groupByData": name} for name in view.folded_by]
    charts = [*(_chart("BAR", name) for name in view.bars), *(_chart("LINE", name) for name in view.lines)]
    section = {"uuid": CHARTS, "name": view.title, "display": True, "isReordered": True}
    return {
        "searchFilter": " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in view.tags.items()),
        # By time, it would fetch the parents, too, and show them instead.
        "orderByKey": f"metrics.`{view.sorted_by}`" if view.sorted_by else "tags.`mlflow.runName`",
        "orderByAsc": view.sorted_by is None,
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {column: 40 + 7 * len(column.partition("`")[2]) for column in columns},
        "groupBy": {"aggregateFunction": "average", "groupByKeys": keys} if keys else None,
        "runsHiddenMode": "SHOW_ALL",
        **({"compareRunCharts": charts, "compareRunSections": [section]} if charts else {}),
        "isAccordionReordered": True,  # or sections would be sorted by their names
    }


def _chart(kind: str, metric: str) -> dict[str, Any]:
    """Return a card; without `isGenerated` the page never replaces it by one of its own."""
    return {
        **({**LINE, "selectedMetricKeys": [metric]} if kind == "LINE" else {}),
        "uuid": f"{CHARTS}-{metric}",
        "type": kind,
        "metricSectionId": CHARTS,
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        "metricKey": metric,
    }
