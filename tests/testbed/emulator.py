"""MiniStack, an emulator of AWS, with what it lacks for these tests.

A secret that is created without a value has no version at AWS, and GetSecretValue answers ResourceNotFoundException
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html). MiniStack makes an empty version.
"""

import sys

import ministack.app
import ministack.services.secretsmanager as secretsmanager

store = secretsmanager._store_new_secret


def store_as_aws_does(name, **values):
    arn, version = store(name, **values)
    if values.get("secret_string") is None and values.get("secret_binary") is None:
        secretsmanager._secrets[name]["Versions"].clear()
    return arn, version


secretsmanager._store_new_secret = store_as_aws_does
sys.argv = ["ministack"]
ministack.app.main()
