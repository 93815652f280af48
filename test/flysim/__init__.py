"""flysim - a double of Fly.io for tests: edge proxies, machines that sleep and wake, Machines API and DNS, on loopback.
SPDX-License-Identifier: MIT
"""
