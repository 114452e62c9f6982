-- Asked before all else, so it must run on any server that speaks the protocol.
SELECT current_setting('server_version_num')::integer AS version
