#!/bin/sh
# moto 5.2.5 honours If-Match of PutObject, and ignores it in CompleteMultipartUpload.
#
# Both are documented by S3 as conditional writes.  A client library that uploads what is large in parts, and what is small in one
# piece, is told 412 for the small object and 200 for the large one, which then has replaced what it was not to replace; a test against
# moto passes that would lose an update nowhere but there.
#
# Seen: "PutObject: 412, first" and "CompleteMultipartUpload: 200, second".
# Needs python3 with venv.  Exit 1 if moto does something else.
#
# SPDX-License-Identifier: MIT
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q install 'moto[server]==5.2.5' boto3==1.44.8
cat >ask.py <<'EOF'
import sys
import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
s3 = boto3.client("s3", endpoint_url="http://127.0.0.1:%d" % server.get_host_and_port()[1], region_name="us-east-1",
                  aws_access_key_id="key", aws_secret_access_key="secret")
what = {"Bucket": "bucket", "Key": "key"}
s3.create_bucket(Bucket="bucket")
s3.put_object(**what, Body=b"first")
WRONG = '"00000000000000000000000000000000"'

def whole():
    s3.put_object(**what, Body=b"second", IfMatch=WRONG)

def in_parts():
    upload = s3.create_multipart_upload(**what)["UploadId"]
    etag = s3.upload_part(**what, UploadId=upload, PartNumber=1, Body=b"second")["ETag"]
    s3.complete_multipart_upload(**what, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, IfMatch=WRONG)

def outcome(write):
    try:
        write()
        status = 200
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "%d, %s" % (status, s3.get_object(**what)["Body"].read().decode())

seen = [outcome(whole), outcome(in_parts)]
print("PutObject: %s\nCompleteMultipartUpload: %s" % tuple(seen))
server.stop()
sys.exit(seen != ["412, first", "200, second"])
EOF
venv/bin/python ask.py
