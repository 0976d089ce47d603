"""The ledger, the request log, and the control of an emulator from inside and from another process."""

from __future__ import annotations

import gc
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from airflow_provider_runway.emulator import FAULTS, Emulator, EmulatorControl

ALPHA = "runway-gen3-alphaturbo"


def test_the_ledger_has_an_entry_for_each_accepted_post(api, gateway):
    completed = api.submit_finished(duration=10)
    failed = api.submit(ratio="none")
    api.post(body={"promptText": "no image"})
    gateway.advance(100)
    running = api.submit()
    ledger = gateway.ledger()
    jobs = {job["request_id"]: job for job in ledger["jobs"]}
    assert [ledger[name] for name in ("posts", "accepted", "billable", "billed_usd")] == [4, 3, 2, 1.0]
    assert jobs[completed] == {
        "request_id": completed,
        "call": "submit",
        "model": ALPHA,
        "body": jobs[completed]["body"],
        "account": "SG_…cdef",
        "submitted_at": jobs[completed]["submitted_at"],
        "state": "COMPLETED",
        "billable": True,
        "billed": True,
        "cost": 1.0,
        "output_url": api.get(f"{gateway.history_url}/{completed}").json()["generation_url"],
    }
    assert jobs[completed]["body"]["duration"] == 10
    assert (jobs[failed]["state"], jobs[failed]["billable"], jobs[failed]["billed"]) == ("FAILED", False, False)
    assert (jobs[running]["state"], jobs[running]["billable"], jobs[running]["billed"]) == ("QUEUED", True, False)


def test_the_request_log_has_everything_but_the_key(api, gateway):
    gateway.add_fault("status:server_error:status=503")
    response = api.post()
    api.get_status(response.json()["request_id"])
    api.get("/nowhere", headers={"x-api-key": None})
    submit, status, nowhere = gateway.http_requests()
    assert submit == {
        "call": "submit",
        "method": "POST",
        "path": f"/v2/{ALPHA}",
        "status": 200,
        "at": submit["at"],
        "key": True,
        "fault": None,
        "sent": len(response.content),
    }
    assert (status["call"], status["status"], status["fault"]) == ("status", 503, "server_error")
    assert (nowhere["call"], nowhere["status"], nowhere["key"]) == ("unknown", 404, False)
    assert gateway.test_key not in str(gateway.http_requests())


def test_another_process_has_the_same_control(api, gateway):
    control = EmulatorControl(gateway.url)
    request_id = api.submit()
    assert control.health()["status"] == "ok"
    assert control.health()["history_url"] == control.history_url == gateway.history_url
    assert control.ledger() == gateway.ledger()
    assert control.http_requests() == gateway.http_requests()
    rule = control.add_fault("status:forbidden:times=2")
    assert rule == gateway.faults()[0] == control.faults()[0]
    assert control.add_fault(fault="slow", seconds=0)["fault"] == "slow"
    assert api.get_status(request_id).status_code == 403
    control.clear_faults()
    assert api.get_status(request_id).status_code == 200
    control.advance(1000)
    assert api.get_status(request_id).json()["status"] == "COMPLETED"
    assert control.expire(request_id) == 1
    assert api.get_status(request_id).status_code == 404
    control.reset()
    assert control.ledger() == {"posts": 0, "accepted": 0, "billable": 0, "billed_usd": 0, "jobs": []}
    assert control.http_requests() == []


def test_a_wrong_control_request_is_explained(gateway):
    control = EmulatorControl(gateway.url)
    with pytest.raises(ValueError, match="there is no fault 'gremlin'"):
        control.add_fault("submit:gremlin")
    with pytest.raises(KeyError, match="unknown-id"):
        control.expire("unknown-id")
    base = f"{gateway.url}/_emulator"
    assert requests.get(f"{base}/expire", timeout=10).status_code == 405
    assert "/_emulator/ledger" in requests.get(f"{base}/what", timeout=10).json()["error"]
    assert requests.post(f"{base}/faults", data="{", timeout=10).status_code == 400
    assert requests.post(f"{base}/advance", json=[1], timeout=10).status_code == 400
    assert list(requests.get(f"{base}/faults", timeout=10).json()["known"]) == list(FAULTS)


def test_a_reset_restores_the_initial_faults(start_api):
    api = start_api(faults=["submit:forbidden"])
    assert [api.post().status_code for _ in range(2)] == [403, 200]
    api.gateway.add_fault("submit:retired")
    api.gateway.reset()
    assert [api.post().status_code for _ in range(2)] == [403, 200]
    assert api.gateway.ledger()["accepted"] == 1


def test_many_clients_at_once_lose_no_job(start_api):
    gateway = start_api(time_scale=0.001).gateway

    def submit(_: int) -> str:
        headers = {"x-api-key": gateway.test_key}
        response = requests.post(f"{gateway.url}/v2/any-model", json={}, headers=headers, timeout=10)
        return str(response.json()["request_id"])

    with ThreadPoolExecutor(16) as pool:
        request_ids = set(pool.map(submit, range(120)))
    assert len(request_ids) == 120
    assert {job["request_id"] for job in gateway.ledger()["jobs"]} == request_ids


def test_a_stopped_emulator_leaves_no_thread_and_no_socket_behind():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with (
            Emulator(faults=["credits:slow:seconds=30"]) as gateway,
            socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as client,
        ):
            key = f"x-api-key: {gateway.test_key}\r\n"
            client.sendall(f"GET /v1/get-user-credits HTTP/1.1\r\nhost: x\r\n{key}\r\n".encode())
            while not gateway.http_requests():
                pass
            url = gateway.url
        gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "segmind-emulator"]
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=2)
    assert len(gateway.http_requests()) == 1, "the request log can still be read"


def test_a_used_port_is_an_error_at_the_start(gateway):
    port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        Emulator(port=port).start()
    with pytest.raises(OverflowError):
        Emulator(port=99999).start()


def test_an_invalid_option_is_refused():
    for options in (
        {"reset_format": "rfc"},
        {"history_lag": "5-1"},
        {"history_lag": "soon"},
        {"time_scale": -1},
        {"faults": ["submit:gremlin"]},
        {"keys": "SG_0123456789abcdef"},
        {"colour": "red"},
    ):
        with pytest.raises((ValueError, TypeError), match=r"must|there is no"):
            Emulator(**options)


@pytest.mark.parametrize("offset", [300, -300])
def test_the_clock_can_be_wrong(start_api, offset):
    api = start_api(clock_offset=offset, requests_per_minute=2)
    response = api.post()
    sent_at = parsedate_to_datetime(response.headers["date"]).timestamp()
    assert sent_at - time.time() == pytest.approx(offset, abs=5)
    row_time = datetime.fromisoformat(api.list_rows()[0]["model_created"]).timestamp()
    assert row_time - time.time() == pytest.approx(offset, abs=5)
    reset = datetime.fromisoformat(api.post().headers["x-rate-limit-reset-at-utc"]).timestamp()
    assert reset - time.time() == pytest.approx(offset + 60, abs=5)


def test_jobs_survive_a_restart_in_a_state_file(start_api, tmp_path):
    file = tmp_path / "state.json"
    api = start_api(state=file)
    finished, running = api.submit_finished(), api.submit()
    api.gateway.close()
    restarted = start_api(state=file)
    ledger = restarted.gateway.ledger()
    assert [job["request_id"] for job in ledger["jobs"]] == [finished, running]
    assert (ledger["posts"], ledger["billable"], ledger["billed_usd"]) == (2, 2, 0.5)
    assert restarted.get_result(finished).status_code == 200
    assert restarted.get("/v1/get-user-credits").json()["credits"] == 999.5
    restarted.gateway.reset()
    assert start_api(state=file).gateway.ledger()["accepted"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"state\.json is not a state file of the emulator"):
        start_api(state=file)


def test_a_stuck_job_survives_a_restart(start_api, tmp_path):
    file = tmp_path / "state.json"
    request_id = start_api(state=file, faults=["submit:job_sticks"]).submit()
    assert start_api(state=file).finish(request_id).json()["status"] == "PROCESSING"
