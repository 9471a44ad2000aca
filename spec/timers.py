"""Timers: minimum, nominal and maximum, and how each is judged.

Precedents: debounce and response times from USB Power Delivery, classification and disconnect from PoE (ours
disconnects ten times sooner), restart pulses from ITU-T G.664 scaled down, the hold-over from what a user
takes to put a knocked module back.
"""

from typing import Final

from opalink.spec.form import MS, SECOND, US, Role, Timer, TimerKind

_D, _B, _N = TimerKind.DEADLINE, TimerKind.BOUND, TimerKind.BEST_EFFORT
_P, _M, _X = Role.PHONE, Role.MODULE, Role.BOTH

TIMERS: Final = (
    Timer("tDockDebounce", _D, _P, 20 * MS, 50 * MS, 100 * MS, "Contacts closed until the signature is read."),
    Timer("tClassify", _D, _P, 10 * MS, 30 * MS, 75 * MS, "Reading the class current."),
    Timer("tInrush", _B, _M, None, None, 50 * MS, "Inrush over: at most 500 mA, input capacitance at most 47 µF."),
    Timer("tBeaconAfterPower", _B, _M, None, 100 * MS, 250 * MS, "Boot power until the first BEACON."),
    Timer("tTrain", _B, _X, None, 5 * MS, 20 * MS, "One attempt at training one gear."),
    Timer("tRelock", _B, _X, None, 1 * MS, 5 * MS, "RECOVERY until L0."),
    Timer("tLosToLaserOff", _B, _X, None, 200 * US, 1 * MS, "Loss of signal until the laser is off."),
    Timer("tFlitAck", _B, _X, None, 10 * US, 100 * US, "A FLIT until what it calls for: acknowledgement, NAK, replay."),
    Timer("tFlitIdle", _B, _X, None, 20 * US, 2 * MS, "From one FLIT to the next while DATA FLITs are unacknowledged."),
    Timer("tLaserRestartPulse", _D, _X, 1 * MS, 2 * MS, 5 * MS, "Length of a restart pulse."),
    Timer("tLaserRestartInterval", _D, _X, 250 * MS, 500 * MS, 1 * SECOND, "From one restart pulse to the next."),
    Timer("tHello", _B, _M, None, 20 * MS, 50 * MS, "HELLO until its response."),
    Timer("tDescRead", _B, _M, None, 30 * MS, 100 * MS, "The whole descriptor, read at the greatest length."),
    Timer("tSenderResponse", _D, _X, 24 * MS, 27 * MS, 30 * MS, "How long a power requester waits for its answer."),
    Timer("tSinkWaitCaps", _D, _M, 310 * MS, 465 * MS, 620 * MS, "A session without offers until they are asked for."),
    Timer("tPwrTransition", _B, _X, None, 50 * MS, 100 * MS, "PWR_REQUEST accepted until PWR_READY."),
    Timer("tRequestAfterWait", _D, _X, 100 * MS, None, None, "PWR_WAIT until the next PWR_REQUEST."),
    Timer("tKeepAlive", _D, _X, 200 * MS, 250 * MS, 300 * MS, "Silence until a KEEPALIVE; any traffic counts."),
    Timer("tKeepAliveLoss", _B, _X, None, None, 1 * SECOND, "Silence until the link is given up."),
    Timer("tDcDisconnect", _D, _P, 5 * MS, 10 * MS, 20 * MS, "Current below 5 mA until DETACHED."),
    Timer("tForcedRemoval", _B, _P, None, 50 * MS, 100 * MS, "Removal until the phone has cleaned up."),
    Timer("tHoldover", _D, _X, 1900 * MS, 2 * SECOND, 2100 * MS, "How long a session can be resumed."),
    Timer("tDetachNotice", _N, _X, 5 * MS, None, None, "DETACH_NOTICE before the contacts open."),
    Timer("tResponse", _B, _X, None, None, 50 * MS, "A request until its response, where nothing else is said."),
    Timer("tReport", _B, _X, None, None, 100 * MS, "What calls for a report until the report is sent."),
    Timer("tPendingFirst", _B, _X, None, None, 20 * MS, "A long request until its first PENDING."),
    Timer("tPendingRefresh", _B, _X, None, None, 500 * MS, "From one PENDING to the next."),
    Timer("tAuth", _B, _M, None, 300 * MS, 2 * SECOND, "GET_VERSION until CHALLENGE_AUTH."),
    Timer("tTimeSync", _D, _M, 10 * MS, 31_250 * US, 100 * MS, "From one TIME_SYNC to the next."),
    Timer("tNakDelay", _D, _P, 50 * US, 100 * US, 500 * US, "A gap until its BLOCK_NAK."),
    Timer("tFirstFrameCold", _B, _M, None, None, 380 * MS, "The module's own share of the first frame, from power."),
    Timer("tFirstFrameWarm", _B, _M, None, None, 98 * MS, "The module's own share of the first frame, from L1."),
    Timer("tPwrHardReset", _D, _X, 25 * MS, 30 * MS, 35 * MS, "Hold-off of a hard power reset."),
    Timer("tPwrDischarge", _B, _X, None, None, 650 * MS, "Contacts discharged after a hard power reset."),
)
