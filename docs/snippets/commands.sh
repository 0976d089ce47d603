# The commands of README.md and of the docs. Each page includes the part between two marks. Each line is run by a test
# (tests/integration/test_docs_snippets.py says by which).

# [start: demo]
make demo
# [end: demo]
# [start: install]
pip install -c constraints/airflow-3.3.txt .
# [end: install]
# [start: build]
make build
# [end: build]
# [start: emulator]
python -m airflow_provider_runway.emulator --port 8081 --time-scale 0.2
# [end: emulator]
# [start: emulator-form]
python -m airflow_provider_runway.emulator --history-form snake_case --history-seed float
# [end: emulator-form]
# [start: emulator-fault]
curl -X POST localhost:8081/_emulator/faults -d '"submit:rate_limited:times=3,window=20"'
# [end: emulator-fault]
# [start: standalone]
airflow standalone
# [end: standalone]
# [start: add-connection]
airflow connections add runway_default --conn-type runway --conn-password SG_0123456789abcdef
# [end: add-connection]
# [start: export-connection]
export AIRFLOW_CONN_RUNWAY_DEFAULT='{"conn_type": "runway", "password": "SG_0123456789abcdef"}'
# [end: export-connection]
# [start: export-connection-with-extra]
export AIRFLOW_CONN_RUNWAY_SECOND='{"conn_type": "runway", "password": "SG_0123456789abcdef", "extra": {"requests_per_minute": 60}}'
# [end: export-connection-with-extra]
# [start: check]
python -m airflow_provider_runway check --conn-id runway_default
# [end: check]
# [start: check-with-airflow]
airflow runway check --conn-id runway_default
# [end: check-with-airflow]
# [start: spend]
python -m airflow_provider_runway spend --conn-id runway_default --from 2026-11-01 --to 2026-11-30
# [end: spend]
# [start: spend-with-airflow]
airflow runway spend --conn-id runway_default --from 2026-11-01 --to 2026-11-30 --csv
# [end: spend-with-airflow]
# [start: journal]
export AIRFLOW__RUNWAY__JOURNAL_PATH=/shared/runway-journal
# [end: journal]
# [start: models-file]
export AIRFLOW__RUNWAY__CATALOGUE=/etc/airflow/models.json
# [end: models-file]
# [start: pool]
airflow pools set runway 4 "Videos at once" --include-deferred
# [end: pool]
# [start: backfill]
airflow dags unpause one_video_a_day
airflow backfill create --dag-id one_video_a_day --from-date 2026-01-01 --to-date 2026-01-03 --max-active-runs 4
# [end: backfill]
# [start: resume]
airflow dags trigger resume_a_job --conf '{"request_id": "5f0c3a52-8f0e-4f4e-9a42-0c0f2d9f7a11"}'
# [end: resume]
# [start: resubmit]
airflow dags trigger decide_about_a_lost_submit --conf '{"on_orphaned_intent": "resubmit"}'
# [end: resubmit]
# [start: triggerer-queue]
export AIRFLOW__TRIGGERER__QUEUES_ENABLED=True
airflow triggerer --queues runway
# [end: triggerer-queue]
