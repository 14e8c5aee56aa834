"""The Python client, by its own means. Prints what it got as JSON."""
import asyncio
import json
import os
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def main() -> None:
    command, *args = sys.argv[1:]
    server = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        tools = (await client.list_tools()).tools
        good = await client.call_tool("exec", {"command": "echo hi"})
        bad = await client.call_tool("exec", {})
        told = {
            "version": client.protocol_version,
            "tools": len(tools),
            "good": {"structuredContent": good.structured_content},
            "bad": {"isError": bad.is_error},
        }
        print(json.dumps(told))


asyncio.run(main())
