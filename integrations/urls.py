"""Addresses of getting data in, below /o/<slug>/; one list a module of views."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrations.views import (
    alerts,
    catalogue,
    comparison,
    destination,
    integration,
    mapping,
    mapping_editor,
    oauth_views,
    quarantine,
    records,
    routes,
    runs,
    streams,
    summaries,
    uploads,
    wizard,
)

app_name = "integrations"

_catalogue = [
    path("integrations/", catalogue.integrations, name="integrations"),
    path("integrations/new/", catalogue.catalogue, name="catalogue"),
]
_wizard = [
    path("integrations/new/<slug:connector>/", wizard.new_integration, name="new_integration"),
    path("integrations/<int:pk>/setup/", wizard.setup_settings, name="setup_settings"),
    path("integrations/<int:pk>/setup/connection/", wizard.setup_connection, name="setup_connection"),
    path("integrations/<int:pk>/setup/streams/", wizard.setup_streams, name="setup_streams"),
    path("integrations/<int:pk>/setup/preview/", wizard.setup_preview, name="setup_preview"),
    path("integrations/<int:pk>/setup/activation/", wizard.activation, name="activation"),
    path("integrations/<int:pk>/setup/discarding/", wizard.discarding, name="discarding"),
]
_integration = [
    path("integrations/<int:pk>/", integration.integration, name="integration"),
    path("integrations/<int:pk>/settings/", integration.integration_settings, name="integration_settings"),
    path("integrations/<int:pk>/test/", integration.connection_test, name="connection_test"),
    path("integrations/<int:pk>/disconnection/", integration.disconnection, name="disconnection"),
    path("integrations/<int:pk>/reconnection/", integration.reconnection, name="reconnection"),
]
_streams = [
    path("integrations/<int:pk>/syncs/", streams.integration_runs, name="integration_runs"),
    path("streams/<int:pk>/syncs/", streams.stream_runs, name="stream_runs"),
    path("streams/<int:pk>/pause/", streams.stream_pause, name="stream_pause"),
    path("streams/<int:pk>/resumption/", streams.stream_resumption, name="stream_resumption"),
    path("streams/<int:pk>/schedule/", streams.stream_schedule, name="stream_schedule"),
    path("streams/<int:pk>/mode/", streams.stream_mode, name="stream_mode"),
]
_oauth = [
    path("integrations/<int:pk>/consent/", oauth_views.oauth_consent, name="oauth_consent"),
    path("integrations/consent/", oauth_views.oauth_return, name="oauth_return"),
    path("integrations/<int:pk>/consent/account/", oauth_views.oauth_account, name="oauth_account"),
]
_destination = [
    path("integrations/<int:pk>/routes/", routes.routes, name="routes"),
    path("integrations/<int:pk>/routes/<int:source_pk>/preview/", routes.preview, name="route_preview"),
    path("integrations/<int:pk>/summaries/", summaries.summaries, name="summaries"),
    path("integrations/<int:pk>/summaries/waiting/", summaries.waiting, name="summaries_waiting"),
    path("integrations/<int:pk>/summaries/<int:summary_pk>/", summaries.summary, name="summary"),
    path(
        "integrations/<int:pk>/summaries/<int:summary_pk>/lines.csv",
        summaries.summary_lines,
        name="summary_lines",
    ),
    path("integrations/<int:pk>/whereabouts/", summaries.whereabouts_page, name="whereabouts"),
    path("integrations/<int:pk>/names/", destination.names, name="names"),
    path("integrations/<int:pk>/names/lists/", destination.name_lists, name="name_lists"),
    path("integrations/<int:pk>/deliveries/", destination.deliveries, name="deliveries"),
    path("integrations/<int:pk>/deliveries/tries/", destination.delivery_tries, name="delivery_tries"),
    path(
        "integrations/<int:pk>/deliveries/<int:delivery_pk>/dismissal/",
        destination.delivery_dismissal,
        name="delivery_dismissal",
    ),
    path(
        "integrations/<int:pk>/deliveries/<int:delivery_pk>/replacement/",
        destination.delivery_replacement,
        name="delivery_replacement",
    ),
]
_comparison = [
    path("integrations/<int:pk>/comparison/", comparison.comparison, name="comparison"),
    path("integrations/<int:pk>/comparisons/", comparison.comparisons, name="comparisons"),
    path("integrations/<int:pk>/comparison/mode/", comparison.comparison_mode, name="comparison_mode"),
    path(
        "integrations/<int:pk>/differences/<int:difference_pk>/delivery/",
        comparison.difference_delivery,
        name="difference_delivery",
    ),
    path(
        "integrations/<int:pk>/differences/<int:difference_pk>/acceptance/",
        comparison.difference_acceptance,
        name="difference_acceptance",
    ),
    path(
        "integrations/<int:pk>/differences/<int:difference_pk>/link/",
        comparison.difference_link,
        name="difference_link",
    ),
    path("integrations/<int:pk>/totals/", comparison.totals, name="totals"),
    path("integrations/<int:pk>/totals/account/", comparison.totals_account, name="totals_account"),
]
_uploads = [
    path("integrations/<int:pk>/files/", uploads.uploads, name="uploads"),
    path("integrations/files/<int:pk>/", uploads.upload, name="upload"),
    path("integrations/files/<int:pk>/columns/", uploads.upload_columns, name="upload_columns"),
    path("integrations/files/<int:pk>/answer/", uploads.upload_answer, name="upload_answer"),
]
_mapping = [
    path("mappings/", mapping.mappings, name="mappings"),
    path("mappings/<int:pk>/", mapping.mapping, name="mapping"),
    path("mappings/<int:pk>/drafts/", mapping.drafts, name="mapping_drafts"),
    path("mappings/<int:pk>/draft/", mapping_editor.draft, name="mapping_draft"),
    path("mappings/<int:pk>/draft/form/", mapping_editor.form, name="mapping_form"),
    path("mappings/<int:pk>/draft/removal/", mapping.removal, name="mapping_removal"),
    path("mappings/<int:pk>/publication/", mapping.publication, name="mapping_publication"),
    path("mappings/<int:pk>/replays/", mapping.replays, name="mapping_replays"),
    path("mappings/<int:pk>/versions/<int:number>/", mapping.version, name="mapping_version"),
    path(
        "mappings/<int:pk>/versions/<int:number>/restoration/",
        mapping.restoration,
        name="mapping_restoration",
    ),
]
_runs = [
    path("integrations/syncs/", runs.runs, name="runs"),
    path("integrations/syncs/<int:pk>/", runs.run, name="run"),
    path("integrations/syncs/<int:pk>/cancellation/", runs.cancellation, name="run_cancellation"),
    path("integrations/syncs/<int:pk>/continuation/", runs.continuation, name="run_continuation"),
    path("integrations/syncs/<int:pk>/reversal/", runs.reversal, name="run_reversal"),
    path("integrations/calls/<int:pk>/", runs.call, name="call"),
]
_quarantine = [
    path("errors/", quarantine.errors, name="errors"),
    path("errors/<int:stream>/<slug:cause>/", quarantine.cause, name="cause"),
    path("errors/<int:stream>/<slug:cause>/retry/", quarantine.cause_retry, name="cause_retry"),
    path("errors/<int:stream>/<slug:cause>/dismissal/", quarantine.cause_dismissal, name="cause_dismissal"),
    path("errors/<int:stream>/<slug:cause>/reopening/", quarantine.cause_reopening, name="cause_reopening"),
    path("errors/records/<int:pk>/", quarantine.record, name="quarantined"),
    path("errors/records/<int:pk>/retry/", quarantine.record_retry, name="quarantined_retry"),
    path("errors/records/<int:pk>/dismissal/", quarantine.record_dismissal, name="quarantined_dismissal"),
    path("errors/records/<int:pk>/reopening/", quarantine.record_reopening, name="quarantined_reopening"),
]
_records = [
    path("integrations/records/", records.records, name="records"),
    path("integrations/records/<int:pk>/", records.record, name="record"),
]
_alerts = [
    path("integrations/alerts/", alerts.alerts_page, name="alerts"),
    path("integrations/alerts/channels/<int:pk>/test/", alerts.channel_test, name="alert_channel_test"),
    path(
        "integrations/alerts/channels/<int:pk>/removal/", alerts.channel_removal, name="alert_channel_removal"
    ),
]

urlpatterns: list[URLPattern] = [
    *_catalogue,
    *_wizard,
    *_integration,
    *_streams,
    *_oauth,
    *_destination,
    *_comparison,
    *_uploads,
    *_mapping,
    *_runs,
    *_quarantine,
    *_records,
    *_alerts,
]
