"""The local endpoint: one process that serves every API and the page over the library; needs
`[serve]`."""
