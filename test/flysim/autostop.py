"""autostop.py - the loop that stops or suspends what nobody needs: one machine of a region in each pass.
SPDX-License-Identifier: MIT
"""
import asyncio

from flysim.edge import limits, load
from flysim.machine import Refused


def action(service):
    """"stop", "suspend" or None; booleans are the older form."""
    wanted = service.get("autostop", "off")
    return {True: "stop", False: None, "off": None}.get(wanted, wanted)


def groups(fleet):
    """Started machines with autostop, by app, region and service."""
    found = {}
    for machine in fleet.all_machines():
        for i, service in enumerate(machine.config.get("services", ())):
            if machine.state == "started" and not machine.cordoned and action(service):
                found.setdefault((machine.app.name, machine.region, i), []).append((machine, service))
    return found


def chosen(app, region, group):
    """The one to stop of a region's machines, and how; None if each is needed."""
    above = sum(load(machine, service) >= limits(service)[0] for machine, service in group)
    machine, service = min(group, key=lambda each: (load(*each), each[0].id))
    if region == app.primary_region and len(group) <= service.get("min_machines_running", 0):
        return None
    if len(group) == 1:
        is_excess = load(machine, service) == 0
    else:
        is_excess = len(group) - (above + 1) >= 1
    return (machine, action(service)) if is_excess else None


async def autostop_pass(fleet):
    """One look at everything; the machines that were put to sleep."""
    slept = []
    for (name, region, _), group in groups(fleet).items():
        found = chosen(fleet.apps[name], region, group)
        if found:
            slept.append(found[0])
            await put_to_sleep(fleet, *found)
    return slept


async def put_to_sleep(fleet, machine, how):
    machine.soft_cordoned = True
    await asyncio.sleep(fleet.switches.autostop_wait)
    machine.soft_cordoned = False
    if machine.state != "started":
        return
    for tunnel in list(machine.tunnels):
        tunnel.go_away()
    try:
        if how == "suspend" and not machine.why_not_suspended():
            await machine.suspend("proxy")
        else:
            await machine.stop("proxy")
    except Refused as refused:
        fleet.log("autostop", machine=machine.id, text=refused.text)


async def autostop_loop(fleet):
    while True:
        await asyncio.sleep(fleet.switches.autostop_every)
        await autostop_pass(fleet)
