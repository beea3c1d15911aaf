"""The client of the Python package `mcp`, as it is published, against a server with the agent of examples/room.rs.

It is run by tests/mcp_clients.rs. Each line that it prints is a JSON object: `{"passed": NAME}` for each check.
"""

import json
import os
import warnings
from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

HOST, TOKEN, PROGRAM = os.environ["HOST"], os.environ["TOKEN"], os.environ["PROGRAM"]
HEADERS = {"authorization": f"Bearer {TOKEN}"}
IDEA = "A shared calendar that lets repair cafes book volunteers and spare parts"
PATIENCE = 30

# The revisions before the newest have what it calls deprecated.
warnings.simplefilter("ignore")


def say(line):
    print(json.dumps(line), flush=True)


class Heard:
    """The addresses of the resources of whose change a client has heard."""

    def __init__(self):
        self.updated = set()

    async def __call__(self, message):
        if getattr(message, "method", None) == "notifications/resources/updated":
            self.updated.add(str(message.params.uri))

    async def until(self, uri):
        with anyio.fail_after(PATIENCE):
            while uri not in self.updated:
                await anyio.sleep(0.01)


@asynccontextmanager
async def connect(mode, path="/mcp"):
    """A client of a revision, over streamable HTTP."""
    async with httpx2.AsyncClient(headers=HEADERS, timeout=httpx2.Timeout(30, read=300)) as http:
        heard = Heard()
        transport = streamable_http_client(f"http://{HOST}{path}", http_client=http)
        async with Client(transport, mode=mode, message_handler=heard) as client:
            yield client, heard


async def call(client, name, arguments, **options):
    result = await client.call_tool(name, arguments, **options)
    assert not result.is_error, result
    return result.structured_content


async def read(client, uri):
    contents = (await client.read_resource(uri)).contents
    return json.loads(contents[0].text)


async def cancel(client, run):
    """Cancels a call that would take an hour, once it has begun."""
    begun = anyio.Event()

    async def told(progress, total, message):
        assert total == 15
        begun.set()

    async with anyio.create_task_group() as group:
        arguments = {"run": run, "seconds": 3600}
        group.start_soon(lambda: client.call_tool("follow_run", arguments, progress_callback=told))
        with anyio.fail_after(PATIENCE):
            await begun.wait()
        group.cancel_scope.cancel()
    # The client is none the worse for it.
    assert (await call(client, "echo", {"text": "still here"}))["text"] == "still here"


async def everything(client, subscribed):
    names = [tool.name for tool in (await client.list_tools()).tools]
    assert {"echo", "create_run", "follow_run", "decide_run", "call_agent"} <= set(names), names
    assert (await call(client, "echo", {"text": "Grüße"}))["text"] == "Grüße"
    arguments = {"idea": IDEA, "require_review": False, "require_approval": False}
    run = (await call(client, "create_run", arguments))["id"]
    uri = f"foundation://runs/{run}"
    assert (await read(client, uri))["run"]["idea"] == IDEA
    listed = [str(resource.uri) for resource in (await client.list_resources()).resources]
    assert f"{uri}/timeline" in listed, listed
    try:
        await client.read_resource(f"{uri}/nothing")
    except MCPError as error:
        assert "no resource" in str(error), error
    else:
        raise AssertionError("there is no such resource")
    prompt = await client.get_prompt("plan_idea", {"idea": IDEA})
    assert IDEA in prompt.messages[0].content.text
    async with subscribed(uri):
        await call(client, "pause_run", {"run": run})
    await cancel(client, run)
    refused = await client.call_tool("get_run", {"run": "nothing"})
    assert refused.is_error and refused.content[0].text.startswith("run.not-found"), refused
    await call(client, "cancel_run", {"run": run})


def with_a_session(client, heard):
    """How a client of the revisions with sessions hears of a change."""

    @asynccontextmanager
    async def subscribed(uri):
        await client.subscribe_resource(uri)
        yield
        await heard.until(uri)
        await client.unsubscribe_resource(uri)

    return subscribed


def without_a_session(client):
    """How a client of the revision without sessions does."""

    @asynccontextmanager
    async def subscribed(uri):
        async with client.listen(resource_subscriptions=[uri]) as subscription:
            yield
            with anyio.fail_after(PATIENCE):
                async for event in subscription:
                    assert str(event.uri) == uri
                    break

    return subscribed


async def the_revision_with_sessions_lists_calls_reads_subscribes_and_cancels():
    async with connect("legacy") as (client, heard):
        assert client.protocol_version == "2025-11-25", client.protocol_version
        await everything(client, with_a_session(client, heard))


async def so_does_the_revision_without_sessions():
    async with connect("auto") as (client, _):
        assert client.protocol_version == "2026-07-28", client.protocol_version
        await everything(client, without_a_session(client))


async def so_does_the_transport_before_streamable_http():
    heard = Heard()
    async with Client(sse_client(f"http://{HOST}/sse", headers=HEADERS), mode="legacy", message_handler=heard) as client:
        await everything(client, with_a_session(client, heard))


async def so_does_the_bridge():
    heard = Heard()
    bridge = StdioServerParameters(
        command=PROGRAM, args=["mcp", "--url", f"http://{HOST}"], env={"FOUNDATION_TOKEN": TOKEN}
    )
    async with Client(stdio_client(bridge), mode="legacy", message_handler=heard) as client:
        await everything(client, with_a_session(client, heard))


async def an_agent_is_a_server_of_its_own():
    for mode in ["legacy", "auto"]:
        async with connect(mode, f"/agents/room/mcp-python-{mode}/mcp") as (client, heard):
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert {"add", "countTo", "refuse", "say", "sayLater"} <= set(names), names
            assert (await call(client, "add", {"args": [2, 3]}))["result"] == 5
            parts = []

            async def told(progress, total, message):
                parts.append((progress, message))

            counted = await call(client, "countTo", {"args": 3}, progress_callback=told)
            assert counted["parts"] == [1, 2, 3], counted
            assert parts == [(1, "1"), (2, "2"), (3, "3")], parts
            uri = str((await client.list_resources()).resources[0].uri)
            assert await read(client, uri) == {"count": 5, "lines": []}
            subscribed = with_a_session(client, heard) if mode == "legacy" else without_a_session(client)
            async with subscribed(uri):
                await call(client, "say", {"line": "hello"})
            assert len((await read(client, uri))["lines"]) == 1
            refused = await client.call_tool("refuse", {"args": "not now"})
            assert refused.is_error and refused.content[0].text.startswith("room.refused: not now"), refused


async def main():
    for check in [
        the_revision_with_sessions_lists_calls_reads_subscribes_and_cancels,
        so_does_the_revision_without_sessions,
        so_does_the_transport_before_streamable_http,
        so_does_the_bridge,
        an_agent_is_a_server_of_its_own,
    ]:
        await check()
        say({"passed": check.__name__})
    say({"done": True})


anyio.run(main)
