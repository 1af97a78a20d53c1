"""Which of NVFlare 2.9's messages a site's processes may send and receive; every other one is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from nvflare.apis.fl_constant import (
    AdminCommandNames,
    FLContextKey,
    ReservedKey,
    ReservedTopic,
    ServerCommandKey,
    ServerCommandNames,
)
from nvflare.apis.fl_context import FLContext
from nvflare.fuel.f3.cellnet.defs import CellChannel, CellChannelTopic, MessageHeaderKey
from nvflare.fuel.f3.message import Message
from nvflare.fuel.f3.streaming.download_service import OBJ_DOWNLOADER_CHANNEL, OBJ_DOWNLOADER_TOPIC
from nvflare.fuel.f3.streaming.stream_const import STREAM_ACK_TOPIC, STREAM_CHANNEL, STREAM_ERROR_TOPIC, StreamHeaderKey
from nvflare.fuel.utils import fobs
from nvflare.private.admin_defs import Message as AdminMessage
from nvflare.private.defs import CellMessageHeaderKeys, TrainingTopic

Process = Literal["job", "parent"]
Rules = Mapping[str, frozenset[str]]
"""Channel to its topics."""

_POLL: Final = frozenset({ReservedTopic.JOB_HEART_BEAT, ReservedTopic.TASK_CHECK, ReservedTopic.SYNC_RUNNER})
_DOWNLOADED: Final = f"{OBJ_DOWNLOADER_CHANNEL}:{OBJ_DOWNLOADER_TOPIC}"
_ORDERS: Final = frozenset({
    TrainingTopic.CHECK_STATUS, TrainingTopic.CHECK_RESOURCE, TrainingTopic.ALLOCATE_RESOURCE,
    TrainingTopic.CANCEL_RESOURCE, TrainingTopic.DEPLOY, TrainingTopic.START_JOB, TrainingTopic.ABORT,
    TrainingTopic.ABORT_TASK, TrainingTopic.DELETE_RUN, TrainingTopic.GET_SCOPES, TrainingTopic.NOTIFY_JOB_STATUS})
"""What the server may ask of a site's own process: jobs, but no shell, log, error text, component or restart."""
_BYE: Final = {CellChannel.CELLNET: frozenset({CellChannelTopic.Bye})}

OUTGOING: Final[Mapping[Process, Rules]] = {
    "job": {
        CellChannel.SERVER_COMMAND: frozenset({ServerCommandNames.GET_TASK, ServerCommandNames.SUBMIT_UPDATE}),
        CellChannel.AUX_COMMUNICATION: _POLL,
        OBJ_DOWNLOADER_CHANNEL: frozenset({OBJ_DOWNLOADER_TOPIC}),
        CellChannel.RETURN_ONLY: frozenset({_DOWNLOADED, f"{CellChannel.AUX_COMMUNICATION}:{ReservedTopic.END_RUN}"}),
        STREAM_CHANNEL: frozenset({STREAM_ACK_TOPIC}),
        CellChannel.CLIENT_MAIN: frozenset({TrainingTopic.NOTIFY_JOB_STATUS}),  # to its own parent
        CellChannel.CLIENT_COMMAND: frozenset({AdminCommandNames.ABORT, AdminCommandNames.ABORT_TASK}),
        **_BYE},
    "parent": {
        CellChannel.SERVER_MAIN: frozenset({CellChannelTopic.Challenge, CellChannelTopic.Register,
                                            CellChannelTopic.HEART_BEAT, CellChannelTopic.Quit,
                                            CellChannelTopic.REPORT_JOB_FAILURE}),
        CellChannel.CLIENT_MAIN: _ORDERS | {CellChannel.CLIENT_MAIN},  # the topic that replies to orders bear
        CellChannel.CLIENT_COMMAND: frozenset({AdminCommandNames.ABORT, AdminCommandNames.ABORT_TASK}),
        **_BYE}}
"""A reply bears the channel and topic of its request; in a stream, `return_only` and both of them."""

INCOMING: Final[Mapping[Process, Rules]] = {
    "job": {
        CellChannel.RETURN_ONLY: frozenset({
            f"{CellChannel.SERVER_COMMAND}:{ServerCommandNames.GET_TASK}",
            f"{CellChannel.SERVER_COMMAND}:{ServerCommandNames.SUBMIT_UPDATE}",
            *(f"{CellChannel.AUX_COMMUNICATION}:{topic}" for topic in _POLL), _DOWNLOADED}),
        OBJ_DOWNLOADER_CHANNEL: frozenset({OBJ_DOWNLOADER_TOPIC}),
        CellChannel.AUX_COMMUNICATION: frozenset({ReservedTopic.END_RUN, ReservedTopic.ABORT_ASK}),
        CellChannel.CLIENT_COMMAND: frozenset({AdminCommandNames.ABORT, AdminCommandNames.ABORT_TASK}),
        STREAM_CHANNEL: frozenset({STREAM_ACK_TOPIC, STREAM_ERROR_TOPIC}),
        **_BYE},
    "parent": {CellChannel.CLIENT_MAIN: _ORDERS, **_BYE}}

PUBLIC_PROPERTIES: Final = frozenset({
    ReservedKey.RUN_NUM, ReservedKey.IDENTITY_NAME, FLContextKey.CLIENT_NAME, FLContextKey.CURRENT_JOB_ID,
    "__fqsn__", "__is_leaf__"})
"""What NVFlare makes public itself; a site's processes tell the server nothing else of their context."""

ANSWERING: Final = frozenset({(CellChannel.SERVER_COMMAND, ServerCommandNames.SUBMIT_UPDATE),
                              (CellChannel.RETURN_ONLY, _DOWNLOADED)})
"""What carries an answer: needed only while NVFlare sends one that was checked."""
CONTROL: Final = frozenset({(CellChannel.SERVER_COMMAND, ServerCommandNames.GET_TASK),
                            *((CellChannel.AUX_COMMUNICATION, topic) for topic in _POLL)})
"""NVFlare's own questions, without content of a job."""
_CONTROL_BYTES: Final = 4096
_TEXT: Final = 64
_NAMES: Final = PUBLIC_PROPERTIES | {"__headers__", "__topic__", "__peer_props__", "__peer_ctx__",
                                      ReservedKey.TASK_ID, ServerCommandKey.LAST_TASK_ID}


_NO_HEADERS: Final = frozenset({
    MessageHeaderKey.ERROR, MessageHeaderKey.ORIGINAL_HEADERS, MessageHeaderKey.RETURN_REASON,
    StreamHeaderKey.ERROR_MSG, StreamHeaderKey.ERROR_TYPE, StreamHeaderKey.FILE_NAME})
_HEADERS: Final = frozenset({
    *(value for keys in (MessageHeaderKey, StreamHeaderKey) for name, value in vars(keys).items() if name.isupper()),
    CellMessageHeaderKeys.CLIENT_NAME, CellMessageHeaderKeys.TOKEN, CellMessageHeaderKeys.TOKEN_SIGNATURE,
    CellMessageHeaderKeys.SSID, CellMessageHeaderKeys.PROJECT_NAME, CellMessageHeaderKeys.JOB_ID}) - _NO_HEADERS
_HEADER: Final = 600
"""Characters of a header's value; the signature of the site's token has about 350."""


def topic_of(message: Message) -> tuple[str, str]:
    """Channel and topic that a message is for; of a stream's data, those of what it carries; of an order, the one in
    its payload, which its dispatcher goes by."""
    channel = str(message.get_header(MessageHeaderKey.CHANNEL, ""))
    topic = str(message.get_header(MessageHeaderKey.TOPIC, ""))
    if channel == STREAM_CHANNEL and message.get_header(StreamHeaderKey.CHANNEL):
        return str(message.get_header(StreamHeaderKey.CHANNEL)), str(message.get_header(StreamHeaderKey.TOPIC, ""))
    if channel == CellChannel.CLIENT_MAIN and isinstance(order := message.payload, AdminMessage):
        return channel, topic if str(order.topic).startswith("reply") else str(order.topic)
    return channel, topic


def wire_refusal(rules: Rules, channel: str, topic: str) -> str | None:
    """Why the rules stop a message; None if they let it pass."""
    if topic not in rules.get(channel, ()):
        return "no message that a site needs"
    return None


def header_refusal(message: Message) -> str | None:
    """Why a message's headers, which hold NVFlare's names and short values, stop it; None if they do not."""
    for name, value in (message.headers or {}).items():
        if name not in _HEADERS:
            return f"header '{str(name)[:_TEXT]}'"
        if len(repr(value)) > _HEADER:
            return f"content in header '{name}'"
    return None


def control_refusal(message: Message) -> str | None:
    """Why an outgoing message of `CONTROL` is stopped: it may hold names and short values, not content."""
    payload = message.payload
    if message.get_header(StreamHeaderKey.OFFSET, 0) or len(payload) > _CONTROL_BYTES:
        return f"a control message of more than {_CONTROL_BYTES} bytes"
    for name, value in _leaves(fobs.loads(bytes(payload))):
        if name not in _NAMES:
            return f"a control message with '{name[:_TEXT]}'"
        if not isinstance(value, bool | int | float | None) and not (isinstance(value, str) and len(value) <= _TEXT):
            return f"a control message with content in '{name[:_TEXT]}'"
    return None


def _leaves(value: Any, name: str = "__headers__") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - whatever was sent
    if isinstance(value, FLContext):
        value = value.get_all_public_props()
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield str(key), None
        yield from _leaves(inner, str(key))
