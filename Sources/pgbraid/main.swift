print("pgbraid")
