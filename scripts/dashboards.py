"""Write the Grafana dashboards of k8s/base/observability/grafana/dashboards/ from the lists below.

    python scripts/dashboards.py          # after a change; make k8s-validate fails when the files differ

One panel is one line here: title, what it means, unit, queries with their legends.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "k8s" / "base" / "observability" / "grafana" / "dashboards"
_COLUMNS, _WIDTH, _HEIGHT = 3, 8, 8
_PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
_LOKI = {"type": "loki", "uid": "${logs}"}
_TEMPO = {"type": "tempo", "uid": "${traces}"}
_SOURCES = {"logs": _LOKI, "table": _TEMPO}


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        title: what is shown.
        description: what it means, and from where on it is bad.
        unit: Grafana's name of the unit.
        queries: PromQL and legend; LogQL when kind is logs, TraceQL when it is table.
        kind: timeseries, stat, logs or table (of traces).
        thresholds: values from which the colour is yellow and red; the other way round when the second is smaller.
    """

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    thresholds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dashboard:
    """A dashboard; its name is its file and its uid."""

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str], ...] = ()
    """Name and query of each variable that users choose from."""


_MARKET = (
    ("exchange", "label_values(candlewave_layer_freshness_seconds, exchange)"),
    ("symbol", 'label_values(candlewave_layer_freshness_seconds{exchange=~"$exchange"}, symbol)'),
)
_AT = '{exchange=~"$exchange",symbol=~"$symbol"}'

DASHBOARDS = (
    Dashboard(
        "freshness",
        "Pipeline freshness",
        "How old the newest event of each layer is, from the exchange to the forecast, and where it waits.",
        (
            Panel(
                "Candles",
                "Age of the newest closed minute; 62 to 125 s is usual, an alert comes at 180 s.",
                "s",
                (('candlewave:layer_freshness_seconds:max{layer="candles"}', "candles"),),
                "stat",
                (125, 180),
            ),
            Panel(
                "Indicators behind candles",
                "How far the newest indicators are behind their candles.",
                "s",
                (("max(candlewave_indicators_behind_candles_seconds)", "behind"),),
                "stat",
                (60, 120),
            ),
            Panel(
                "Features of forecasts",
                "Age of the newest candle that can be forecast from, of the market where it is oldest.",
                "s",
                (("min(candlewave_predictor_feature_age_seconds)", "features"),),
                "stat",
                (180, 300),
            ),
            Panel(
                "Age of the newest event by layer",
                "The worst market of each layer.",
                "s",
                (("candlewave:layer_freshness_seconds:max", "{{layer}}"),),
            ),
            Panel(
                "Age of the newest trade",
                "Quiet markets are old without anything being wrong.",
                "s",
                (
                    (
                        f'max by (exchange, symbol) (candlewave_layer_freshness_seconds{{layer="trades",{_AT[1:]})',
                        "{{exchange}} {{symbol}}",
                    ),
                ),
            ),
            Panel(
                "From exchange to us",
                "Receipt less event time of the newest trade.",
                "s",
                (
                    (
                        f"max by (exchange, symbol) (candlewave_ingest_receive_lag_seconds{_AT})",
                        "{{exchange}} {{symbol}}",
                    ),
                ),
            ),
            Panel(
                "Living feeds",
                "1 while an exchange's feed is alive in at least one replica.",
                "none",
                (('max by (exchange) (candlewave_ingest_connected_feeds{exchange=~"$exchange"})', "{{exchange}}"),),
            ),
            Panel(
                "Publishing takes",
                "Time until a batch is stored durably, 99 %.",
                "s",
                (
                    (
                        "histogram_quantile(0.99, sum by (le, topic) "
                        "(rate(candlewave_bus_publish_duration_seconds_bucket[5m])))",
                        "{{topic}}",
                    ),
                ),
            ),
            Panel(
                "A forecast cycle takes",
                "All symbols and horizons, 99 %.",
                "s",
                (
                    (
                        "histogram_quantile(0.99, sum by (le) "
                        "(rate(candlewave_predictor_cycle_duration_seconds_bucket[5m])))",
                        "cycle",
                    ),
                ),
            ),
            Panel(
                "Spans per second by service",
                "Derived from traces; a point leads to its trace.",
                "ops",
                (("sum by (service) (rate(traces_spanmetrics_calls_total[5m]))", "{{service}}"),),
            ),
            Panel(
                "Warnings and errors",
                "Log lines of our services; trace_id opens the trace.",
                "none",
                (
                    (
                        '{service=~"trade-to-ohlc|technical-indicators|sentiment-extractor|model-trainer|price-predictor|'
                        'predictions-api|model-error-monitor", level=~"warning|error|critical"}',
                        "",
                    ),
                ),
                "logs",
            ),
            Panel(
                "From trade to forecast",
                "The newest minutes of markets, a trace each: trades on the bus, the wait until the candle closed, the "
                "forecast, and when clients got it.",
                "ms",
                (('{ rootName = "publish" && name = "forecast" }', ""),),
                "table",
            ),
            Panel(
                "Minutes that closed late",
                "Traces of minutes whose candle and features were there more than five seconds after their end.",
                "ms",
                (('{ name = "close" && duration > 5s }', ""),),
                "table",
            ),
        ),
        _MARKET,
    ),
    Dashboard(
        "candles",
        "Candles, late and rejected trades",
        "What comes in, what amends closed candles, what cannot be used, and whether audits agree.",
        (
            Panel(
                "Trades published",
                "Accepted from exchanges, by path.",
                "ops",
                (
                    (
                        f"sum by (exchange, origin) (rate(candlewave_ingest_published_trades_total{_AT}[5m]))",
                        "{{exchange}} {{origin}}",
                    ),
                ),
            ),
            Panel(
                "Heartbeats published",
                "They close the candles of quiet markets.",
                "ops",
                (("sum by (exchange) (rate(candlewave_ingest_published_heartbeats_total[5m]))", "{{exchange}}"),),
            ),
            Panel(
                "Clocks behind the furthest",
                "A feed that lags closes its candles that much later; at idle_after_seconds it follows the others.",
                "s",
                (("max by (exchange) (candlewave_ohlc_clock_behind_seconds)", "{{exchange}}"),),
            ),
            Panel(
                "Late trades in an hour",
                "Trades that amended a closed candle; more than 1 % of all is an alert.",
                "short",
                (("sum by (exchange, symbol) (delta(candlewave:late_trades:max[1h]))", "{{exchange}} {{symbol}}"),),
            ),
            Panel(
                "Late share",
                "Late trades of all trades within an hour.",
                "percentunit",
                (
                    (
                        "sum by (exchange) (delta(candlewave:late_trades:max[1h])) / (sum by (exchange) "
                        "(increase(candlewave_ingest_published_trades_total[1h])) > 0)",
                        "{{exchange}}",
                    ),
                ),
            ),
            Panel(
                "Rows that no candle can use",
                "All rows in trades_rejected and loaded_candles_rejected, by reason.",
                "short",
                (("candlewave:rejected_rows:max", "{{table}}: {{reason}}"),),
            ),
            Panel(
                "Dead letters",
                "Records refused before they were published.",
                "ops",
                (("sum by (reason) (rate(candlewave_ingest_rejected_records_total[5m]))", "{{reason}}"),),
            ),
            Panel(
                "Filled minutes in a day",
                "Minutes without a trade, filled with the last close.",
                "short",
                ((f"max by (exchange, symbol) (candlewave_ohlc_filled_minutes{_AT})", "{{exchange}} {{symbol}}"),),
            ),
            Panel(
                "Holes",
                "Holes found in live feeds, and those still open.",
                "short",
                (
                    (
                        "sum by (exchange) (increase(candlewave_ingest_holes_total[1h]))",
                        "{{exchange}} found in an hour",
                    ),
                    ("sum by (exchange) (candlewave_ingest_open_holes)", "{{exchange}} open"),
                ),
            ),
            Panel(
                "Symbols by replica",
                "How replicas share the symbols; the sum is all symbols.",
                "short",
                (("sum by (pod, exchange) (candlewave_ingest_owned_symbols)", "{{pod}} {{exchange}}"),),
            ),
            Panel(
                "Audited",
                "Candles and indicator bars computed again by other means.",
                "ops",
                (
                    ("sum(rate(candlewave_ohlc_audited_candles_total[5m]))", "candles"),
                    ("sum(rate(candlewave_indicators_audited_bars_total[5m]))", "indicator bars"),
                ),
            ),
            Panel(
                "Audit differences in a day",
                "Must be nought.",
                "short",
                (
                    ("sum(increase(candlewave_ohlc_audit_differences_total[1d])) or vector(0)", "candles"),
                    ("sum(increase(candlewave_indicators_audit_differences_total[1d])) or vector(0)", "indicators"),
                ),
                "stat",
                (1, 1),
            ),
            Panel(
                "Objects that differ from the migration",
                "Must be nought, except while a migration runs.",
                "short",
                (
                    ("max(candlewave_ohlc_deviating_objects)", "candles"),
                    ("max(candlewave_indicators_deviating_objects)", "indicators"),
                ),
                "stat",
                (1, 1),
            ),
        ),
        _MARKET,
    ),
    Dashboard(
        "risingwave",
        "RisingWave",
        "Whether the engine keeps up: checkpoints, barriers, lag behind Kafka, errors, storage.",
        (
            Panel(
                "Checkpoint age",
                "Time since the last committed checkpoint; usual is 1 to 3 s.",
                "s",
                (("time() - max(last_committed_barrier_time)", "age"),),
                "stat",
                (10, 60),
            ),
            Panel(
                "Barriers under way",
                "A stuck graph piles them up; 200 is an alert.",
                "short",
                (("max(all_barrier_nums)", "all"), ("max(in_flight_barrier_nums)", "in flight")),
                "stat",
                (20, 200),
            ),
            Panel("Nodes", "By kind.", "short", (("max by (worker_type) (worker_num)", "{{worker_type}}"),), "stat"),
            Panel(
                "Barrier latency",
                "The interval is one second.",
                "s",
                (
                    ("histogram_quantile(0.99, sum by (le) (rate(meta_barrier_duration_seconds_bucket[5m])))", "99 %"),
                    ("histogram_quantile(0.5, sum by (le) (rate(meta_barrier_duration_seconds_bucket[5m])))", "50 %"),
                ),
            ),
            Panel(
                "Rows read from Kafka",
                "By source.",
                "ops",
                (("sum by (source_name) (rate(stream_source_output_rows_counts[5m]))", "{{source_name}}"),),
            ),
            Panel(
                "Lag behind Kafka",
                "Messages that RisingWave has not read.",
                "short",
                (
                    (
                        "sum by (source_id) (clamp_min(max by (source_id, partition) (source_kafka_high_watermark) - "
                        "max by (source_id, partition) (source_latest_message_id), 0))",
                        "source {{source_id}}",
                    ),
                ),
            ),
            Panel(
                "Rows into views",
                "By materialized view.",
                "ops",
                (
                    (
                        "topk(15, sum by (table_name) (rate(stream_mview_input_row_count[5m]) * on (table_id) "
                        "group_left (table_name) group by (table_id, table_name) (table_info)))",
                        "{{table_name}}",
                    ),
                ),
            ),
            Panel(
                "Back-pressure",
                "Share of time a fragment waits for the next one; 70 % is an alert.",
                "percentunit",
                (
                    (
                        "topk(10, avg by (fragment_id, downstream_fragment_id) "
                        "(rate(stream_actor_output_buffer_blocking_duration_ns[5m])) / 1e9)",
                        "{{fragment_id}} to {{downstream_fragment_id}}",
                    ),
                ),
            ),
            Panel(
                "Errors",
                "Messages dropped, expressions that became NULL, sinks that failed.",
                "ops",
                (
                    ("sum by (source_name) (rate(user_source_error_cnt[5m]))", "source {{source_name}}"),
                    ("sum by (executor_name) (rate(user_compute_error_cnt[5m]))", "compute {{executor_name}}"),
                    ("sum by (sink_name) (rate(user_sink_error_cnt[5m]))", "sink {{sink_name}}"),
                ),
            ),
            Panel(
                "Recoveries in an hour",
                "The graph was rebuilt from the last checkpoint.",
                "short",
                (("sum(increase(recovery_latency_count[1h]))", "recoveries"),),
            ),
            Panel(
                "Rows into sinks",
                "What goes to Kafka and Elasticsearch.",
                "ops",
                (
                    (
                        "sum by (sink_name) (rate(stream_sink_input_row_count[5m]) * on (sink_id) "
                        "group_left (sink_name) group by (sink_id, sink_name) (sink_info))",
                        "{{sink_name}}",
                    ),
                ),
            ),
            Panel(
                "Storage trouble",
                "Compaction groups that refuse writes; failed requests to the object store.",
                "short",
                (
                    ("sum(storage_write_stop_compaction_groups)", "groups stopped"),
                    ("sum(rate(object_store_failure_count[5m]))", "failed requests/s"),
                ),
            ),
        ),
    ),
    Dashboard(
        "kafka",
        "Kafka and lag",
        "Brokers, topics and how far each group of readers is behind.",
        (
            Panel(
                "Offline partitions",
                "They can neither be written nor read.",
                "short",
                (("sum(kafka_controller_kafkacontroller_offlinepartitionscount)", "offline"),),
                "stat",
                (1, 1),
            ),
            Panel(
                "Under-replicated partitions",
                "Usual only while brokers restart.",
                "short",
                (("sum(kafka_server_replicamanager_underreplicatedpartitions)", "under-replicated"),),
                "stat",
                (1, 10),
            ),
            Panel(
                "Active controllers",
                "Exactly one.",
                "short",
                (("sum(kafka_controller_kafkacontroller_activecontrollercount)", "active"),),
                "stat",
            ),
            Panel(
                "Lag that services see",
                "Messages not committed by the group.",
                "short",
                (("candlewave:bus_lag_messages:sum", "{{group}} {{topic}}"),),
            ),
            Panel(
                "Lag that the broker sees",
                "Also of groups without a running member.",
                "short",
                (
                    (
                        'sum by (consumergroup, topic) (kafka_consumergroup_lag{consumergroup!~"rw-.*"})',
                        "{{consumergroup}} {{topic}}",
                    ),
                ),
            ),
            Panel(
                "Messages in",
                "By topic, from what producers count.",
                "ops",
                (("candlewave:published_messages:rate5m", "{{topic}}"),),
            ),
            Panel(
                "Bytes in",
                "By topic.",
                "Bps",
                (("sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesin_total[5m]))", "{{topic}}"),),
            ),
            Panel(
                "Bytes out",
                "By topic.",
                "Bps",
                (("sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesout_total[5m]))", "{{topic}}"),),
            ),
            Panel(
                "Rebalances",
                "Members gaining or losing partitions within 15 minutes.",
                "short",
                (("sum by (group) (increase(candlewave_bus_rebalances_total[15m]))", "{{group}}"),),
            ),
            Panel(
                "Publishing failures",
                "Publishers keep the messages and try again.",
                "ops",
                (("sum by (topic) (rate(candlewave_bus_failed_messages_total[5m]))", "{{topic}}"),),
            ),
            Panel(
                "Offsets of topics",
                "Newest offset of each topic.",
                "short",
                (("sum by (topic) (kafka_topic_partition_current_offset)", "{{topic}}"),),
            ),
            Panel(
                "Free space of brokers",
                "Share of each broker's volume that is free.",
                "percentunit",
                (
                    (
                        'kubelet_volume_stats_available_bytes{persistentvolumeclaim=~"data.*kafka.*"} / '
                        'kubelet_volume_stats_capacity_bytes{persistentvolumeclaim=~"data.*kafka.*"}',
                        "{{persistentvolumeclaim}}",
                    ),
                ),
            ),
        ),
    ),
    Dashboard(
        "models",
        "Model error against the baseline",
        "Whether forecasts are better than saying that nothing changes, whether their intervals hold, and what drifts.",
        (
            Panel(
                "Skill",
                "1 - mean absolute error / that of the last price, over seven days; above 0 is better.",
                "percentunit",
                (
                    (
                        f'candlewave_model_skill{{span="7d",horizon_minutes=~"$horizon",{_AT[1:]}',
                        "{{symbol}} {{horizon_minutes}}m {{model_name}} {{model_version}}",
                    ),
                ),
            ),
            Panel(
                "Interval skill",
                "1 - pinball loss / that of the baseline, over seven days.",
                "percentunit",
                (
                    (
                        f'candlewave_model_interval_skill{{span="7d",horizon_minutes=~"$horizon",{_AT[1:]}',
                        "{{symbol}} {{horizon_minutes}}m {{model_name}} {{model_version}}",
                    ),
                ),
            ),
            Panel(
                "Coverage of the 80 % interval",
                "Share of outcomes inside, over a day; should be 0.8.",
                "percentunit",
                (
                    (
                        f'candlewave_model_coverage_ratio{{span="24h",horizon_minutes=~"$horizon",{_AT[1:]}',
                        "{{symbol}} {{horizon_minutes}}m {{model_name}} {{model_version}}",
                    ),
                ),
            ),
            Panel(
                "Mean absolute error",
                "Of the median, as log return, over a day; the baseline is drawn too.",
                "none",
                (
                    (
                        f'candlewave_model_mae{{span="24h",horizon_minutes=~"$horizon",{_AT[1:]}',
                        "{{symbol}} {{horizon_minutes}}m {{model_name}} {{model_version}}",
                    ),
                ),
            ),
            Panel(
                "Bias",
                "Mean of median less outcome, as log return, over a day; should be about 0.",
                "none",
                (
                    (
                        f'candlewave_model_bias{{span="24h",horizon_minutes=~"$horizon",{_AT[1:]}',
                        "{{symbol}} {{horizon_minutes}}m {{model_name}} {{model_version}}",
                    ),
                ),
            ),
            Panel(
                "Drift of features",
                "Population stability index against training; above 0.2 is an alert.",
                "none",
                (("topk(10, candlewave_model_drift_psi)", "{{feature}}"),),
            ),
            Panel(
                "Amended inputs",
                "Share of a day's forecasts whose inputs changed later.",
                "percentunit",
                (("max(candlewave_model_amended_inputs_ratio)", "amended"),),
            ),
            Panel(
                "Forecasts published",
                "By role; the baseline is always among them.",
                "ops",
                (("sum by (role) (rate(candlewave_predictor_published_forecasts_total[5m]))", "{{role}}"),),
            ),
            Panel(
                "Served by the baseline",
                "Times the baseline stood in for the champion.",
                "short",
                (("sum by (reason) (increase(candlewave_predictor_fallbacks_total[1h]))", "{{reason}}"),),
            ),
            Panel(
                "Models in use",
                "Name, version and role.",
                "none",
                (
                    (
                        "max by (model_name, model_version, role) (candlewave_predictor_model_info)",
                        "{{role}}: {{model_name}} {{model_version}}",
                    ),
                ),
                "stat",
            ),
            Panel(
                "Age of the champion",
                "Since it was made.",
                "s",
                (("time() - max(candlewave_trainer_champion_created_timestamp_seconds)", "champion"),),
                "stat",
                (7 * 86400, 14 * 86400),
            ),
            Panel(
                "Trainings in a day",
                "By outcome.",
                "short",
                (
                    ("sum by (outcome) (increase(candlewave_trainer_runs_total[1d]))", "{{outcome}}"),
                    ("sum by (decision) (increase(candlewave_trainer_promotions_total[1d]))", "{{decision}}"),
                ),
            ),
            Panel(
                "Alerts of the error monitor",
                "Firing now.",
                "short",
                (("max by (rule, severity) (candlewave_monitor_alerts)", "{{rule}} {{severity}}"),),
            ),
        ),
        (*_MARKET, ("horizon", "label_values(candlewave_model_skill, horizon_minutes)")),
    ),
    Dashboard(
        "api",
        "API: rate, errors, duration",
        "What users of predictions-api experience; the objective is 99.5 % good answers, 95 % within 250 ms.",
        (
            Panel(
                "Requests", "By route.", "reqps", (("sum by (route) (candlewave:api_requests:rate5m)", "{{route}}"),)
            ),
            Panel(
                "Errors",
                "Answers with 5xx, share of all.",
                "percentunit",
                (("candlewave:api_errors:ratio_rate5m", "5 min"), ("candlewave:api_errors:ratio_rate1h", "1 h")),
            ),
            Panel(
                "Duration, 99 %",
                "By route; 500 ms is an alert.",
                "s",
                (("candlewave:api_request_duration_seconds:p99_5m", "{{route}}"),),
            ),
            Panel(
                "Answers by status",
                "4xx are the callers' own.",
                "reqps",
                (("sum by (status) (candlewave:api_requests:rate5m)", "{{status}}"),),
            ),
            Panel(
                "Error budget left",
                "Of 0.5 % within 30 days, from the last six hours' rate.",
                "percentunit",
                (("1 - candlewave:api_errors:ratio_rate6h / 0.005", "left"),),
                "stat",
                (0.5, 0),
            ),
            Panel(
                "Duration, 95 %",
                "Of all routes; predictions-api scales by it.",
                "s",
                (("candlewave:api_request_duration_seconds:p95_5m", "95 %"),),
            ),
            Panel(
                "Stream clients",
                "Connections of server-sent events.",
                "short",
                (("sum by (pod) (candlewave_api_stream_clients)", "{{pod}}"),),
            ),
            Panel(
                "Stream events",
                "Sent to clients, by kind.",
                "ops",
                (("sum by (kind) (rate(candlewave_api_stream_events_total[5m]))", "{{kind}}"),),
            ),
            Panel(
                "Refused for being too many",
                "Requests above a key's rate limit.",
                "reqps",
                (("sum(rate(candlewave_api_rate_limited_requests_total[5m]))", "refused"),),
            ),
            Panel(
                "Cache",
                "By outcome.",
                "ops",
                (("sum by (outcome) (rate(candlewave_api_cache_hits_total[5m]))", "{{outcome}}"),),
            ),
            Panel(
                "Errors in the log",
                "Of predictions-api.",
                "none",
                (('{service="predictions-api", level=~"error|critical"}', ""),),
                "logs",
            ),
        ),
    ),
    Dashboard(
        "sentiment",
        "News and sentiment",
        "Whether sources answer, what becomes of their articles, and who scores.",
        (
            Panel(
                "Since the last good answer",
                "By source; an hour is an alert.",
                "s",
                (("time() - max by (source) (candlewave_sentiment_last_success_timestamp_seconds)", "{{source}}"),),
            ),
            Panel(
                "Newest article",
                "Age of the newest article by source.",
                "s",
                (("time() - max by (source) (candlewave_sentiment_newest_article_timestamp_seconds)", "{{source}}"),),
            ),
            Panel(
                "Waiting articles",
                "Fetched, not on the bus yet.",
                "short",
                (("sum(candlewave_sentiment_waiting_articles)", "waiting"),),
            ),
            Panel(
                "Articles",
                "By what became of them.",
                "ops",
                (("sum by (outcome) (rate(candlewave_sentiment_articles_total[15m]))", "{{outcome}}"),),
            ),
            Panel(
                "Articles published",
                "Put on topic news.",
                "ops",
                (("sum(rate(candlewave_sentiment_published_articles_total[15m]))", "published"),),
            ),
            Panel(
                "Scores",
                "By extractor.",
                "ops",
                (("sum by (extractor) (rate(candlewave_sentiment_scores_total[15m]))", "{{extractor}}"),),
            ),
            Panel(
                "Polls",
                "By source and outcome.",
                "ops",
                (("sum by (source, outcome) (rate(candlewave_sentiment_polls_total[15m]))", "{{source}} {{outcome}}"),),
            ),
            Panel(
                "Refused answers",
                "Too large, not what was expected, and so on.",
                "ops",
                (
                    (
                        "sum by (source, reason) (rate(candlewave_sentiment_refused_answers_total[15m]))",
                        "{{source}} {{reason}}",
                    ),
                ),
            ),
            Panel(
                "Not scored",
                "Articles without a score, by reason.",
                "ops",
                (("sum by (reason) (rate(candlewave_sentiment_skipped_articles_total[15m]))", "{{reason}}"),),
            ),
            Panel(
                "Language model",
                "Requests by outcome; the lexicon scores when it fails.",
                "ops",
                (("sum by (outcome) (rate(candlewave_sentiment_llm_requests_total[15m]))", "{{outcome}}"),),
            ),
        ),
    ),
    Dashboard(
        "cost",
        "Cost: asked for, used, stored",
        "What the namespace reserves and what it uses; reserved and unused is where money goes.",
        (
            Panel(
                "Processors reserved",
                "Requests of running containers.",
                "short",
                (('sum(kube_pod_container_resource_requests{namespace="$namespace",resource="cpu"})', "cores"),),
                "stat",
            ),
            Panel(
                "Memory reserved",
                "Requests of running containers.",
                "bytes",
                (('sum(kube_pod_container_resource_requests{namespace="$namespace",resource="memory"})', "bytes"),),
                "stat",
            ),
            Panel(
                "Storage claimed",
                "Requests of volume claims.",
                "bytes",
                (('sum(kube_persistentvolumeclaim_resource_requests_storage_bytes{namespace="$namespace"})', "bytes"),),
                "stat",
            ),
            Panel(
                "Processors used of reserved",
                "By container; far below 1 for days: reserve less.",
                "percentunit",
                (
                    (
                        'sum by (container) (rate(container_cpu_usage_seconds_total{namespace="$namespace"}[15m])) / '
                        'sum by (container) (kube_pod_container_resource_requests{namespace="$namespace",'
                        'resource="cpu"})',
                        "{{container}}",
                    ),
                ),
            ),
            Panel(
                "Memory used of reserved",
                "By container.",
                "percentunit",
                (
                    (
                        'sum by (container) (container_memory_working_set_bytes{namespace="$namespace"}) / '
                        'sum by (container) (kube_pod_container_resource_requests{namespace="$namespace",'
                        'resource="memory"})',
                        "{{container}}",
                    ),
                ),
            ),
            Panel(
                "Volumes filled",
                "By claim.",
                "percentunit",
                (
                    (
                        '1 - kubelet_volume_stats_available_bytes{namespace="$namespace"} / '
                        'kubelet_volume_stats_capacity_bytes{namespace="$namespace"}',
                        "{{persistentvolumeclaim}}",
                    ),
                ),
            ),
            Panel(
                "Replicas by scaler",
                "What each scaler runs now.",
                "short",
                (
                    (
                        'kube_horizontalpodautoscaler_status_current_replicas{namespace="$namespace"}',
                        "{{horizontalpodautoscaler}}",
                    ),
                ),
            ),
            Panel(
                "Price per day",
                "Requests times the prices chosen above; storage per month / 30.",
                "currencyUSD",
                (
                    (
                        '24 * $price_core_hour * sum(kube_pod_container_resource_requests{namespace="$namespace",'
                        'resource="cpu"})',
                        "processors",
                    ),
                    (
                        '24 * $price_gib_hour * sum(kube_pod_container_resource_requests{namespace="$namespace",'
                        'resource="memory"}) / 1073741824',
                        "memory",
                    ),
                    (
                        "$price_gib_month / 30 * sum(kube_persistentvolumeclaim_resource_requests_storage_bytes{"
                        'namespace="$namespace"}) / 1073741824',
                        "storage",
                    ),
                ),
            ),
            Panel(
                "Processor seconds per thousand trades",
                "Of the whole namespace; falls as load grows.",
                "s",
                (
                    (
                        '1000 * sum(rate(container_cpu_usage_seconds_total{namespace="$namespace"}[15m])) / '
                        "(sum(candlewave:trades:rate5m) > 0)",
                        "per thousand trades",
                    ),
                ),
            ),
        ),
        (
            ("namespace", "label_values(kube_pod_container_resource_requests, namespace)"),
            ("price_core_hour", "0.03"),
            ("price_gib_hour", "0.004"),
            ("price_gib_month", "0.10"),
        ),
    ),
)


def document(dashboard: Dashboard) -> dict[str, Any]:
    """Return the dashboard in Grafana's form."""
    kinds = {panel.kind for panel in dashboard.panels}
    return {
        "uid": f"candlewave-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["candlewave"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": 41,
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "links": [
            {
                "type": "dashboards",
                "tags": ["candlewave"],
                "title": "candlewave",
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {
            "list": [
                _source("datasource", "prometheus"),
                *([_source("logs", "loki")] if "logs" in kinds else []),
                *([_source("traces", "tempo")] if "table" in kinds else []),
                *(_variable(name, query) for name, query in dashboard.variables),
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _source(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "label": kind.capitalize(), "type": "datasource", "query": kind, "hide": 0}


def _variable(name: str, query: str) -> dict[str, Any]:
    if not query.startswith("label_values("):
        return {
            "name": name,
            "label": name.replace("_", " "),
            "type": "textbox",
            "query": query,
            "current": {"text": query, "value": query},
        }
    many = name != "namespace"
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": _PROMETHEUS,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if many else {}),
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = _SOURCES.get(panel.kind, _PROMETHEUS)
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, **_colours(panel.thresholds)}, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, **_target(panel.kind, expr, legend)}
            for index, (expr, legend) in enumerate(panel.queries)
        ],
    }


def _target(kind: str, expr: str, legend: str) -> dict[str, Any]:
    match kind:
        case "logs":
            return {"expr": expr}
        case "table":
            return {"queryType": "traceql", "query": expr, "tableType": "traces", "limit": 50}
        case _:
            return {"expr": expr, "legendFormat": legend, "exemplar": kind == "timeseries"}


_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name"},
    "table": {"showHeader": True, "cellHeight": "sm"},
    "logs": {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True},
}


def _colours(thresholds: tuple[float, float] | None) -> dict[str, Any]:
    if thresholds is None:
        return {}
    first, second = thresholds
    if second < first:
        steps = [("red", None), ("yellow", second), ("green", first)]
    elif first == second:
        steps = [("green", None), ("red", first)]
    else:
        steps = [("green", None), ("yellow", first), ("red", second)]
    return {"thresholds": {"mode": "absolute", "steps": [{"color": c, "value": v} for c, v in steps]}}


def files() -> dict[Path, str]:
    """Return every file and its text."""
    return {
        FOLDER / f"{dashboard.name}.json": json.dumps(document(dashboard), indent=1, ensure_ascii=False) + "\n"
        for dashboard in DASHBOARDS
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        path.write_text(text)
