"""The web page of `orch serve`: the API's data and actions for people, in English and Spanish. It
alone imports NiceGUI; it knows nothing of routing or storage beyond the library's functions."""
