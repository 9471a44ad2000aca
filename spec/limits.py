"""Named constants, virtual channels and gears.

Plan: constants · channels · gears · limits.

Sources: rates and codeword sizes follow from RS(528,514) with 256b/257b transcoding (one codeword is 640
bytes); credits from a round trip of 15 FLITs with a fourfold margin.
"""

from typing import Final

from opalink.spec.form import Channel, Gear, Limit

# ── Constants ────────────────────────────────────────────────────────────────────────────────────────

VERSION_MAJOR: Final = 1
VERSION_MINOR: Final = 0

FLIT_BYTES: Final = 640
FLIT_PAYLOAD: Final = 624
PACKET_OVERHEAD: Final = 20  # header 16, CRC 4
RT_PAYLOAD: Final = FLIT_PAYLOAD - PACKET_OVERHEAD  # one real-time packet fits one FLIT
SPDM_MESSAGE: Final = 4064
BLOCK_DATA: Final = 32_768
FIRMWARE_BLOCK: Final = 16_380
DESCRIPTOR_BYTES: Final = 65_536
CALIBRATION_BYTES: Final = 4 << 20
STACK_ELEMENTS: Final = 8
SIDEBAND_PACKET: Final = 1024
STREAMS: Final = 4
QUEUED_CAPTURES: Final = 16
REPLAY_MIN: Final = 64
REPLAY_DEFAULT: Final = 256
OUTSTANDING_MIN: Final = 8
OUTSTANDING_MAX: Final = 32
NAK_ROUNDS: Final = 3
RESEND_PERCENT: Final = 5
FIRST_FRAME_COLD: Final = 700  # ms
FIRST_FRAME_WARM: Final = 100  # ms

BOTH_LANES: Final = ("sideband", "laser")  # of what must travel without light too

# ── Channels ─────────────────────────────────────────────────────────────────────────────────────────

CHANNELS: Final = (
    Channel("LINK", 0, 0, 4096, 8, "Training, parameters, counters and interlock of the link itself."),
    Channel("RT", 1, 1, RT_PAYLOAD, 16, "Time, triggers, motion and stabilisation: one FLIT a message."),
    Channel("POWER", 2, 2, 512, 8, "The power contract and its faults."),
    Channel("CONTROL", 3, 3, 4096, 32, "Requests and their responses."),
    Channel("EVENT", 4, 4, 4096, 16, "What a side reports of its own accord."),
    Channel("META", 5, 5, 16_384, 64, "What belongs to a frame and is not its pixels."),
    Channel("STREAM0", 8, 6, BLOCK_DATA + 16, 1024, "Frame blocks of stream 0."),
    Channel("STREAM1", 9, 6, BLOCK_DATA + 16, 1024, "Frame blocks of stream 1."),
    Channel("STREAM2", 10, 6, BLOCK_DATA + 16, 1024, "Frame blocks of stream 2."),
    Channel("STREAM3", 11, 6, BLOCK_DATA + 16, 1024, "Frame blocks of stream 3."),
    Channel("BULK", 12, 7, 16_384, 128, "Firmware and stored objects."),
    Channel("VENDOR", 15, 8, 4096, 8, "Packets of a vendor's own."),
)
PAYLOAD_MAX: Final = {c.name: c.payload_max for c in CHANNELS}  # of a packet, by its virtual channel

# ── Gears ────────────────────────────────────────────────────────────────────────────────────────────

GEARS: Final = (
    Gear("G0", 0, 1_000_000, "The sideband over the power contacts: not a laser gear."),
    Gear("G1", 1, 1_289_062_500, "The uplink of every module with a laser."),
    Gear("G2", 2, 2_578_125_000, "A downlink."),
    Gear("G3", 3, 5_156_250_000, "A downlink."),
    Gear("G4", 4, 10_312_500_000, "A downlink: the gear of full-rate video."),
    Gear("G5", 5, 20_625_000_000, "Reserved for a later version."),
)

# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────

LIMITS: Final = (
    Limit("flit_bytes", FLIT_BYTES, "B", "A FLIT: exactly one RS(528,514) codeword."),
    Limit("flit_payload", FLIT_PAYLOAD, "B", "Payload of a FLIT."),
    Limit("rt_payload", RT_PAYLOAD, "B", "Payload of a real-time packet."),
    Limit("sideband_packet", SIDEBAND_PACKET, "B", "A packet on the sideband, header and CRC included."),
    Limit("spdm_message", SPDM_MESSAGE, "B", "An SPDM message, so that SPDM never chunks."),
    Limit("block_data", BLOCK_DATA, "B", "Data of a frame block."),
    Limit("firmware_block", FIRMWARE_BLOCK, "B", "Data of a firmware block."),
    Limit("descriptor_bytes", DESCRIPTOR_BYTES, "B", "The module descriptor."),
    Limit("calibration_bytes", CALIBRATION_BYTES, "B", "A calibration object."),
    Limit("firmware_bytes", 64 << 20, "B", "A firmware image."),
    Limit("replay_min", REPLAY_MIN, "FLIT", "Least depth of the replay buffer."),
    Limit("replay_default", REPLAY_DEFAULT, "FLIT", "Usual depth of the replay buffer: 131 µs."),
    Limit("replay_max", 4096, "FLIT", "Greatest depth of the replay buffer."),
    Limit("outstanding_min", OUTSTANDING_MIN, "", "Requests a side can hold open on a channel, at least."),
    Limit("outstanding_max", OUTSTANDING_MAX, "", "Requests a side may hold open on a channel, at most."),
    Limit("streams", STREAMS, "", "Streams configured at once."),
    Limit("queued_captures", QUEUED_CAPTURES, "", "Capture requests queued at once."),
    Limit("stack_elements", STACK_ELEMENTS, "", "Passive elements that one module can see."),
    Limit("tlv_nesting", 2, "", "TLVs inside TLVs."),
    Limit("train_attempts", 3, "", "Attempts at one gear before the next lower one is tried."),
    Limit("nak_rounds", NAK_ROUNDS, "", "Rounds of block resend for one video frame."),
    Limit("resend_percent", RESEND_PERCENT, "%", "Blocks of a video frame that may be asked for again."),
    Limit(
        "first_frame_cold",
        FIRST_FRAME_COLD,
        "ms",
        "From the contacts to the end of the first frame: a nominal figure.",
    ),
    Limit(
        "first_frame_warm",
        FIRST_FRAME_WARM,
        "ms",
        "From the wish to the first frame, in a session: a nominal figure.",
    ),
)
