"""SPDM 1.2 (DMTF DSP0274), as far as a module proves itself with it: both sides, bytes in and bytes out.

A module answers with a `Responder`, which shows an `Identity`; a phone asks with a `Requester`, which ends in an
`Outcome`. Spoken are versions, capabilities, algorithms, digests, certificates, challenge and measurements, with
ECDSA on P-256 or P-384 and SHA-256 or SHA-384. Not spoken: sessions, pre-shared keys, mutual authentication, chunks
(a message fits one packet), provisioning of certificates.
"""

from opalink.protocol.spdm.algorithms import Asym, Hash
from opalink.protocol.spdm.chain import ChainError, build_chain, verify_chain
from opalink.protocol.spdm.messages import Capability, Code, ErrorCode, ValueType
from opalink.protocol.spdm.requester import Ask, Doubt, Expected, Outcome, Requester
from opalink.protocol.spdm.responder import Credential, Identity, Measurement, Responder
from opalink.protocol.spdm.trust import SESSION_INDEX, Anchors, policy, session_digest

__all__ = [
    "SESSION_INDEX",
    "Anchors",
    "Ask",
    "Asym",
    "Capability",
    "ChainError",
    "Code",
    "Credential",
    "Doubt",
    "ErrorCode",
    "Expected",
    "Hash",
    "Identity",
    "Measurement",
    "Outcome",
    "Requester",
    "Responder",
    "ValueType",
    "build_chain",
    "policy",
    "session_digest",
    "verify_chain",
]
