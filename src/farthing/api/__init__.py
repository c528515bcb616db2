"""The public contract: types, printed as CRDs, device classes, admission policies and RBAC."""
