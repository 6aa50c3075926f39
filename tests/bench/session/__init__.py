"""A scripted agent session, sent to orch and to a server alone: what each turn reads anew."""
