"""HTTP to model servers: two transports with one behaviour, their errors, certificates, proxies and
content encodings."""
