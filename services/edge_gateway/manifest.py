"""What the inbox keeps of a proof of delivery: the form as it came, and where its files are kept (pure)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from gladhand.errors import InvalidArgument
from logistics.pod.v1 import Artifact, ProofOfDelivery
from services.edge_gateway.protocols import pod_form
from services.edge_gateway.report import InboxKey, digest_of

__all__ = ["FORM_MEDIA_TYPE", "PROTO_MEDIA_TYPE", "KeptFile", "Manifest", "Reading"]

FORM_MEDIA_TYPE = "application/json"
PROTO_MEDIA_TYPE = "application/protobuf"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a proof, by the name of its form field."""

    field: str
    media_type: str
    sha256: str
    size_bytes: int
    object_name: str

    def artifact(self) -> Artifact:
        """Return it as the contract has it."""
        return Artifact(
            kind=pod_form.kind_of(self.field, self.media_type),
            object_name=self.object_name,
            media_type=self.media_type,
            sha256=self.sha256,
            size_bytes=self.size_bytes,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a manifest says, and the key by which the proof is known again."""

    pod: ProofOfDelivery
    key: InboxKey


@dataclass(frozen=True, slots=True)
class Manifest:
    """One proof as the inbox keeps it."""

    form_media_type: str
    form: bytes
    files: Sequence[KeptFile] = ()
    request_id: str = ""
    """The sender's request id, where it speaks gRPC."""
    refusal: Mapping[str, Any] | None = None
    """Why a file was not taken: reason, message, field, rule. A proof with a refusal is kept and goes no further."""

    def encode(self) -> bytes:
        """Return it as JSON, always the same for the same proof."""
        content = {
            "form_media_type": self.form_media_type,
            "form": base64.b64encode(self.form).decode(),
            "files": [
                {
                    "field": file.field,
                    "media_type": file.media_type,
                    "sha256": file.sha256,
                    "size_bytes": file.size_bytes,
                    "object_name": file.object_name,
                }
                for file in self.files
            ],
            "request_id": self.request_id,
            "refusal": self.refusal,
        }
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def decode(cls, body: bytes) -> Manifest:
        """Return the manifest in an inbox message. Raises InvalidArgument on anything else."""
        try:
            content = json.loads(body)
            return cls(
                form_media_type=content["form_media_type"],
                form=base64.b64decode(content["form"]),
                files=tuple(KeptFile(**file) for file in content["files"]),
                request_id=content["request_id"],
                refusal=content["refusal"],
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidArgument("the body is no manifest of a proof", reason="MALFORMED_MESSAGE") from error

    def read(self, provider: str) -> Reading:
        """Return the proof with its files, and its key. Raises InvalidArgument, FailedPrecondition."""
        if self.refusal is not None:
            raise InvalidArgument(**self.refusal)
        if self.form_media_type == PROTO_MEDIA_TYPE:
            pod, own, content = self._contract()
        else:
            form = pod_form.parse(self.form)
            pod, own = form.pod, f"id:{form.message_id}" if form.message_id else ""
            # The same form in another layout is the same form.
            content = json.dumps(json.loads(self.form), sort_keys=True, default=str).encode()
        pod_form.attach(pod, [file.artifact() for file in self.files])
        digest = digest_of(content, *sorted(file.sha256.encode() for file in self.files))
        key = InboxKey(f"pod/{provider}/{own or f'sha256:{digest}'}", digest)
        pod.pod_id = key.id
        return Reading(pod, key)

    def _contract(self) -> tuple[ProofOfDelivery, str, bytes]:
        try:
            pod = ProofOfDelivery.FromString(self.form)
        except DecodeError as error:
            raise InvalidArgument("the form is no ProofOfDelivery", reason="MALFORMED_MESSAGE") from error
        for field in ("pod_id", "provenance", "state", "checks", "version", "region", "artifacts"):
            pod.ClearField(field)
        pod_form.check_sums(pod)
        return pod, f"request:{self.request_id}", pod.SerializeToString(deterministic=True)
