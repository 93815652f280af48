"""__init__.py - the parts of tools/check, one file for each kind of rule.

SPDX-License-Identifier: MIT
"""
