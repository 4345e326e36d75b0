import pytest

from serving.settings import Settings, SettingsError


def test_without_variables_the_defaults_hold_and_an_empty_variable_is_none() -> None:
    assert Settings.from_environment({}) == Settings() == Settings.from_environment({"WORKERS": " ", "API_KEYS": ""})


def test_an_empty_log_url_turns_the_log_off_and_none_leaves_the_default() -> None:
    assert Settings.from_environment({}).prediction_log_url is None
    assert Settings.from_environment({"PREDICTION_LOG_URL": " "}).prediction_log_url == ""


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("off", ""),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("http://collector:4318/otlp/v1/traces", "http://collector:4318/otlp/v1/traces"),
    ],
)
def test_a_bare_otlp_address_gets_the_usual_path(given: str, endpoint: str) -> None:
    assert Settings.from_environment({"TRACING": given}).tracing == endpoint


def test_values_are_read_and_others_are_left_alone() -> None:
    settings = Settings.from_environment({"WORKERS": "3", "API_KEYS": "a, b c", "ACCESS_LOG": "on", "HOME": "/"})
    assert (settings.workers, settings.api_keys, settings.access_log) == (3, ("a", "b", "c"), "on")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WORKERS", "0", "greater than or equal to 1"),
        ("WORKERS", "two", "valid integer"),
        ("WORKERS", "1.5", "valid integer"),
        ("MAX_BODY_BYTES", "12", "greater than or equal to 1024"),
        ("MAX_CONCURRENCY", "-1", "greater than or equal to 1"),
        ("ACCESS_LOG", "yes", "'on' or 'off'"),
        ("TRACING", "collector:4318", "begins with http:// or https://"),
        ("TRACING", "on", "begins with http:// or https://"),
        ("PREDICTION_LOG_SAMPLE", "0", "greater than 0"),
        ("PREDICTION_LOG_SAMPLE", "1.1", "less than or equal to 1"),
        ("PREDICTION_LOG_DAYS", "-1", "greater than 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_sentence(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r} (")
    assert expected in message
    assert "\n" not in message
