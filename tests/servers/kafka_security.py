"""A broker that lets nobody in without TLS, a password and a right: SASL_SSL, SCRAM-SHA-512, ACLs."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from .cache import SERVER_USER, is_root
from .kafka import KafkaServer
from .programs import program

LISTENER = "GUARDED"
SETTINGS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # the plaintext listener, for the test itself
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    f"listener.name.{LISTENER.lower()}.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
}

Right = tuple[ResourceType, str, Sequence[AclOperation]]
"""Resource, prefix of its name, operations."""


class GuardedKafka:
    """The broker, and one user of it. `server.bootstrap` lets anybody do anything, `bootstrap` is guarded."""

    def __init__(self, user: str = "headwater") -> None:
        self.server = KafkaServer(settings=SETTINGS, listeners={LISTENER: "SASL_SSL"})
        self.user = user
        self.password = secrets.token_urlsafe(15)
        self._make_certificate()

    @property
    def bootstrap(self) -> str:
        return self.server.address(LISTENER)

    @property
    def ca(self) -> Path:
        """The certificate to trust, PEM."""
        return self.server.folder / "ca.pem"

    def _make_certificate(self) -> None:
        store, password = self.server.folder / "broker.p12", secrets.token_urlsafe(15)
        keytool: list[str | Path] = [program("keytool", "openjdk-17-jdk-headless")]
        common: list[str | Path] = ["-keystore", store, "-storetype", "PKCS12", "-storepass", password, "-alias", "b"]
        make = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=localhost", "-validity", "9"]
        make += ["-ext", "SAN=ip:127.0.0.1,dns:localhost"]
        for command in ([*keytool, *make, *common], [*keytool, "-exportcert", "-rfc", "-file", self.ca, *common]):
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        if is_root():
            for path in (store, self.ca):
                shutil.chown(path, SERVER_USER)
        name = f"listener.name.{LISTENER.lower()}.ssl"
        self.server.settings |= {
            f"{name}.keystore.location": str(store),
            f"{name}.keystore.type": "PKCS12",
            f"{name}.keystore.password": password,
        }
        self.server.write_properties()

    def start(self) -> GuardedKafka:
        self.server.start()
        admin = AdminClient({"bootstrap.servers": self.server.bootstrap})
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion(self.user, credential, self.password.encode())
        admin.alter_user_scram_credentials([user])[self.user].result(60)
        return self

    def grant(self, rights: Sequence[Right]) -> None:
        """To the user, from everywhere."""
        admin = AdminClient({"bootstrap.servers": self.server.bootstrap})
        bindings = [
            AclBinding(kind, prefix, ResourcePatternType.PREFIXED, f"User:{self.user}", "*", operation,
                       AclPermissionType.ALLOW)
            for kind, prefix, operations in rights for operation in operations
        ]  # fmt: skip
        for made in admin.create_acls(bindings).values():
            made.result(60)

    def wipe(self) -> None:
        """Topics and groups go, rights stay."""
        admin = AdminClient({"bootstrap.servers": self.server.bootstrap})
        topics = [name for name in admin.list_topics(timeout=60).topics if not name.startswith("__")]
        groups = [group.group_id for group in admin.list_consumer_groups().result(60).valid]
        for done in [*(admin.delete_topics(topics) if topics else {}).values(),
                     *(admin.delete_consumer_groups(groups) if groups else {}).values()]:  # fmt: skip
            done.result(60)

    def worker_settings(self, password: str) -> dict[str, str]:
        """The options of a worker that comes in. `password`: as the file has it, e.g. `${env:KAFKA_PASSWORD}`."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": password,
            "ssl.ca.location": str(self.ca),
        }

    def close(self) -> None:
        self.server.close()


@contextlib.contextmanager
def running(rights: Sequence[Right]) -> Iterator[GuardedKafka]:
    guarded = GuardedKafka()
    try:
        guarded.start().grant(rights)
        yield guarded
    finally:
        guarded.close()
