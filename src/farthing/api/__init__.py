"""The public contract: types, printed as CRDs, device classes, admission policies, RBAC and reference pages.

Types are pydantic (`types.py`); policies and roles are YAML with comments (`templates/`), with the words of the grammar
filled in from `model.ask`. Never here: anything that speaks to a cluster. Start with `manifests.py`, and run
`make print` after a change.
"""
