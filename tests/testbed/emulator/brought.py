"""The person who brings what machines fetch: what an `incline.lock` pins is put into artifact buckets and mirrors.

BROUGHT names the lock file. It is read whenever something is looked for, so that a lock that changes is followed; without it
nobody brings anything. Contents are made up, sizes and digests are the lock's: the emulator does not compare them."""

import os

import ministack.services.ecr as ecr
import ministack.services.s3 as s3
import yaml

plain_head = s3._head_object
plain_describe = ecr._describe_images


def pinned(kind):
    path = os.environ.get("BROUGHT")
    if not path or not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file).get(kind) or []


def head(bucket, key, headers=None, query_params=None):
    known = s3._buckets.get(bucket)
    if key.startswith("mirror/") and known is not None and key not in known["objects"]:
        for artifact in pinned("artifacts"):
            if key == f"mirror/{artifact['sha512']}/{artifact['file']}":
                s3._put_object(bucket, key, bytes(artifact["size"]), {})
    return plain_head(bucket, key, headers, query_params)


def describe(data):
    name = data.get("repositoryName", "")
    wanted = {image.get("imageDigest") for image in data.get("imageIds") or []}
    if name in ecr._repositories:
        for image in pinned("images"):
            is_there = any(known["imageDigest"] == image["digest"] for known in ecr._images.get(name, []))
            if image["digest"] in wanted and name.endswith(f"/kubernetes/{image['name']}") and not is_there:
                ecr._put_image({"repositoryName": name, "imageManifest": "{}", "imageDigest": image["digest"], "imageTag": image["tag"]})
    answer = plain_describe(data)
    # MiniStack answers an empty list
    # (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html#API_DescribeImages_Errors).
    if name in ecr._repositories and any(not ecr._find_image(name, {"imageDigest": digest}) for digest in wanted if digest):
        return ecr.error_response_json("ImageNotFoundException", f"The image does not exist within the repository with name '{name}'", 400)
    return answer


def install():
    s3._head_object = head
    ecr._describe_images = describe
