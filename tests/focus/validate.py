"""`make focus`: what we export, looked at by the FinOps Foundation's own focus-validator. Needs Python 3.12 or newer.

The validator gets an environment of its own, since it pins old versions of large libraries. It must be run in the folder
where it is installed, its exit status says nothing, and of two of its rules about InvoiceId, which have the same empty
condition and say the contrary, one always fails: that one, and no other, is expected. List prices are looked at apart:
for whoever publishes such, the validator also wants the columns of a pricing currency that differs from the billing
currency, although the rules say "and"; these, and no others, are expected to be missed. A file that is wrong is shown
to it as well, so that we know that it looks.
"""

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.store.focus_month import write

PACKAGES = ("focus-validator==2.2.1", "pyarrow<22")
EXPECTED = {"InvoiceId-C-004-C"}
PASSED_AT_LEAST = 180
CRITERIA = (
    "ACCOUNT_NAMING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,"
    "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED,RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,"
    "NEGOTIATED_PRICING_SUPPORTED"
)
LISTS = "PUBLIC_PRICE_LIST_SUPPORTED"
MISSED = re.compile(
    r"PricingCurrency(ContractedUnitPrice|EffectiveCost|ListUnitPrice)-|CostAndUsage-D-0(4[678]|5[012456])-C"
)
MISSED_COUNT = 22
LIST_RULES = {"ListUnitPrice-C-005-C", "ListUnitPrice-C-008-M", "ListUnitPrice-C-010-C"}


def environment(folder: Path, uv: str, python: str) -> Path:
    """The validator's environment, made where it is missing; its folder of packages."""
    if not (folder / "bin" / "focus-validator").exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, str(folder)], check=True)
        command = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *PACKAGES]
        subprocess.run(command, check=True)
    return next((folder / "lib").glob("python3.*")) / "site-packages"


def validate(validator: Path, packages: Path, file: Path, criteria: str = CRITERIA) -> tuple[set[str], set[str]]:
    """Which rules pass, and which fail."""
    command = [str(validator), "--data-file", str(file), "--block-download", "--validate-version", "1.2"]
    command += ["--focus-dataset", "CostAndUsage", "--applicability-criteria", criteria]
    said = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    total = re.search(r"Total: \d+ \| Pass: (\d+) \| Fail: (\d+)", said.stdout)
    if total is None:
        raise SystemExit(f"the validator said nothing that we understand:\n{said.stdout}{said.stderr}")
    passed, failed = (set(re.findall(rf"(\S+): {word}", said.stdout)) for word in ("PASS", "FAIL"))
    assert (len(passed), len(failed)) == (int(total[1]), int(total[2])), said.stdout
    return passed, failed


def look_at_lists(validator: Path, packages: Path, file: Path) -> None:
    """The rules about list prices; SystemExit where one fails, or any other than those about columns that are missed."""
    passed, failed = validate(validator, packages, file, f"{CRITERIA},{LISTS}")
    missed = {name for name in failed if MISSED.match(name)}
    print(f"{file.name}, with list prices: {len(passed)} rules pass, {len(missed)} miss columns of a pricing currency")
    if failed - missed != EXPECTED or len(missed) != MISSED_COUNT or not passed >= LIST_RULES:
        raise SystemExit(f"unexpected: {', '.join(sorted(failed - missed - EXPECTED))}, or {len(missed)} missed")


def spoiled(file: Path) -> Path:
    """The same file with a currency that is none and a category that FOCUS does not know."""
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        row |= {"BillingCurrency": "pounds", "ChargeCategory": "Whatever"}
    wrong = file.with_name("wrong.csv")
    with wrong.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return wrong


def main(folder: Path, uv: str, python: str) -> None:
    packages = environment(folder.absolute(), uv, python)
    validator = folder.absolute() / "bin" / "focus-validator"
    with tempfile.TemporaryDirectory() as where:
        write(Path(where))
        for file in sorted(Path(where).glob("*.csv")):
            passed, failed = validate(validator, packages, file)
            print(f"{file.name}: {len(passed)} rules pass, failed: {', '.join(sorted(failed)) or 'none'}")
            if failed != EXPECTED or len(passed) < PASSED_AT_LEAST:
                raise SystemExit(f"expected that {', '.join(EXPECTED)} fails and at least {PASSED_AT_LEAST} pass")
            look_at_lists(validator, packages, file)
        _, failed = validate(validator, packages, spoiled(Path(where) / "2026-11.csv"))
        if not {name for name in failed if name.startswith(("BillingCurrency", "ChargeCategory"))}:
            raise SystemExit("the validator did not see a file that is wrong")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4])
