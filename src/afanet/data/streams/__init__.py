"""Streams: prepared samples as shards in a folder, on a web server or in an S3-like store, fetched as needed."""
