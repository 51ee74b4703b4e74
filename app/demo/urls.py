"""Addresses of the demo."""

from django.urls import path

from demo.views import benchmark, front, ledger_api, ledger_page

app_name = "demo"

urlpatterns = [
    path("plain", benchmark.plain, name="plain"),
    path("json", benchmark.json, name="json"),
    path("db", benchmark.db, name="db"),
    path("queries", benchmark.queries, name="queries"),
    path("fortunes", benchmark.fortunes, name="fortunes"),
    path("cached", benchmark.cached, name="cached"),
    path("updates", benchmark.updates, name="updates"),
    path("slow", benchmark.slow, name="slow"),
    path("ledger/", ledger_page.ledger_page, name="ledger"),
    path("ledger/transfers", ledger_api.transfers, name="transfers"),
    path("ledger/transfers/<str:key>", ledger_api.transfer, name="transfer"),
    path("ledger/accounts", ledger_api.accounts, name="accounts"),
    path("ledger/audit", ledger_api.audit, name="audit"),
    path("", front.front, name="front"),
    path("pools.json", front.pools_json, name="pools"),
    path("favicon.ico", front.favicon, name="favicon"),
]
