"""Writes container images that hold one program each, as files of a registry that any web server can serve.

    images.py PROGRAMS FOLDER REPOSITORY NAME:TAG=PROGRAM[+PROGRAM…] …

Prints a line an image: its name, its tag and its manifest's digest. What is in FOLDER follows the OCI distribution
specification: v2/REPOSITORY/NAME/manifests/TAG, …/manifests/DIGEST and …/blobs/DIGEST.
"""
import hashlib
import io
import json
import os
import sys
import tarfile


def layer(programs):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for folder in ("usr", "usr/local", "usr/local/bin", "tmp", "etc", "var", "run"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for program in programs:
            with open(program, "rb") as file:
                content = file.read()
            entry = tarfile.TarInfo("usr/local/bin/" + program.rsplit("/", 1)[1])
            entry.mode, entry.size = 0o755, len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def write(place, names, content):
    os.makedirs(place, exist_ok=True)
    for name in names:
        with open(os.path.join(place, name), "wb") as file:
            file.write(content)


def main():
    programs, folder, repository, *images = sys.argv[1:]
    for image in images:
        (name, tag), contents = image.split("=")[0].split(":"), image.split("=")[1].split("+")
        place = os.path.join(folder, "v2", repository, name)
        content = layer([os.path.join(programs, program) for program in contents])
        config = json.dumps({
            "architecture": "amd64", "os": "linux",
            "config": {"Entrypoint": ["/usr/local/bin/" + os.path.basename(contents[0])], "Env": ["PATH=/usr/local/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
        }).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(content), "size": len(content)}],
        }).encode()
        for blob in (content, config):
            write(os.path.join(place, "blobs"), [digest(blob)], blob)
        write(os.path.join(place, "manifests"), [tag, digest(manifest)], manifest)
        print(name, tag, digest(manifest))


main()
