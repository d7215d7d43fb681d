"""Fleet systems behind one port; `fleet_desk` is the embedded one."""
