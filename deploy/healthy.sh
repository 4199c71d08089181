#!/bin/bash
# Whether the service on this port may be sent requests: `healthy 8080`. The image holds no curl.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf 'GET /health/ready HTTP/1.0\r\n\r\n' >&3
read -r -t 5 status <&3
[[ $status == *" 200 "* ]]
