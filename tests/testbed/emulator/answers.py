"""Answers of services that MiniStack gives only in part: launch templates' data whole, buckets' own encryption, images and
certificates that the example estate names though nobody made them.

OLD_IMAGES names images that were made long ago, GONE_IMAGES images that are not there any more (commas between)."""

import json
import os
import time

import ministack.services.acm as acm
import ministack.services.ec2 as ec2
import ministack.services.s3 as s3
from ministack.core.responses import get_account_id
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS
from resources import ACTIONS


def xml_name(name):
    return name if name.isupper() else name[0].lower() + name[1:]


def ec2_xml(value):
    """EC2's XML of a structure: names begin small, lists are sets of items
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResponseLaunchTemplateData.html)."""
    if isinstance(value, dict):
        text = ""
        for key, below in value.items():
            name = xml_name(key)
            if isinstance(below, list):
                singular = {"SecurityGroupIds": "securityGroupIdSet", "BlockDeviceMappings": "blockDeviceMappingSet", "NetworkInterfaces": "networkInterfaceSet", "TagSpecifications": "tagSpecificationSet", "Tags": "tagSet"}
                name = singular.get(key, f"{name}Set")
            text += f"<{name}>{ec2_xml(below)}</{name}>"
        return text
    if isinstance(value, list):
        return "".join(f"<item>{ec2_xml(below)}</item>" for below in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("&", "&amp;").replace("<", "&lt;")


def images(parameters):
    ids = [value for key, value in sorted(parameters.items()) if key.startswith("ImageId.")]
    ids = [value[0] if isinstance(value, list) else value for value in ids]
    if not ids:
        return plain_images(parameters)
    items = ""
    for image in ids:
        if image in os.environ.get("GONE_IMAGES", "").split(","):
            return ec2._error("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist", 400)
        days = 300 if image in os.environ.get("OLD_IMAGES", "").split(",") else 30
        made = time.strftime("%Y-%m-%dT00:00:00.000Z", time.gmtime(time.time() - days * 86400))
        items += f"<item><imageId>{image}</imageId><imageState>available</imageState><creationDate>{made}</creationDate></item>"
    return ec2._xml(200, "DescribeImagesResponse", f"<imagesSet>{items}</imagesSet>")


def certificate(data):
    arn = data.get("CertificateArn", "")
    if arn in acm._certificates or f":{get_account_id()}:" not in arn:
        return plain_certificate(data)
    ends = time.time() + float(os.environ.get("CERTIFICATE_DAYS", "300")) * 86400
    shape = {"CertificateArn": arn, "Status": "ISSUED", "NotAfter": ends}
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"Certificate": shape}).encode()


def encrypted(handler, result):
    def with_encryption(*arguments):
        answer = handler(*arguments)
        name, properties = answer[0], arguments[result]
        rules = properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
        if rules:
            default = rules[0]["ServerSideEncryptionByDefault"]
            key = f"<KMSMasterKeyID>{default['KMSMasterKeyID']}</KMSMasterKeyID>" if "KMSMasterKeyID" in default else ""
            s3._bucket_encryption[name] = (
                f'<ServerSideEncryptionConfiguration xmlns="{s3.S3_NS}"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{default["SSEAlgorithm"]}</SSEAlgorithm>{key}'
                f"</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>{str(rules[0].get('BucketKeyEnabled', False)).lower()}</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
            )
        return answer

    return with_encryption


plain_images = ACTIONS["DescribeImages"]
plain_certificate = acm._describe_certificate


def install():
    ec2._lt_data_xml = ec2_xml
    ACTIONS["DescribeImages"] = images
    handlers = next((value for value in vars(acm).values() if isinstance(value, dict) and plain_certificate in value.values()), None)
    if handlers is None:
        acm._describe_certificate = certificate
    else:
        handlers["DescribeCertificate"] = certificate
    bucket = HANDLERS["AWS::S3::Bucket"]
    bucket["create"] = encrypted(bucket["create"], 1)
    bucket["update"] = encrypted(bucket["update"], 2)
