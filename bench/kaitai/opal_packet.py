# What kaitai-struct-compiler 0.11.0 (from npm) makes of opal_packet.ksy; see compile.js. The compiler is under the
# GPL-3.0-or-later, which by its README does not extend to its output; this file is under the licences of its source.
# It needs the package kaitaistruct (MIT) and is only imported by the benchmark.
# ruff: noqa: B007, D100, E501, I001, PGH003, PIE790, SIM114, SLF001, TRY002, UP008, UP025, UP031
# fmt: off
# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class OpalPacket(KaitaiStruct):

    class Channel(IntEnum):
        meta = 5
        stream0 = 8
        stream1 = 9
        stream2 = 10
        stream3 = 11

    class Compression(IntEnum):
        none = 0
        dpcm = 1
        jpeg_xs = 2
        jpeg = 3

    class ExposureControl(IntEnum):
        manual = 0
        auto = 1
        locked = 2

    class PacketType(IntEnum):
        frame_leader = 112
        frame_block = 113

    class PixelFormat(IntEnum):
        bayer_rg8 = 17301513
        bayer_rg12p = 17563737
        bayer_rg14p = 17694982
        bayer_rg16 = 17825839

    class RowDirection(IntEnum):
        top_down = 0
        bottom_up = 1
        all_at_once = 2

    class Status(IntEnum):
        ok = 0

    class Tag(IntEnum):
        exposure_mode = 259
        white_balance = 513
        focus_position = 769
    def __init__(self, _io, _parent=None, _root=None):
        super(OpalPacket, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._read()

    def _read(self):
        self.spare0 = self._io.read_bits_int_le(1) != 0
        self.more = self._io.read_bits_int_le(1) != 0
        self.spare2 = self._io.read_bits_int_le(1) != 0
        self.rsp = self._io.read_bits_int_le(1) != 0
        self.major = self._io.read_bits_int_le(4)
        if not self.major == 1:
            raise kaitaistruct.ValidationNotEqualError(1, self.major, self._io, u"/seq/4")
        self.type = KaitaiStream.resolve_enum(OpalPacket.PacketType, self._io.read_u1())
        self.instance = self._io.read_bits_int_le(4)
        self.vc = KaitaiStream.resolve_enum(OpalPacket.Channel, self._io.read_bits_int_le(4))
        self.status = KaitaiStream.resolve_enum(OpalPacket.Status, self._io.read_u1())
        self.length = self._io.read_u2le()
        self.txn = self._io.read_u2le()
        self.t_ns = self._io.read_u8le()
        _on = self.type
        if _on == OpalPacket.PacketType.frame_block:
            pass
            self._raw_payload = self._io.read_bytes(self.length)
            _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
            self.payload = OpalPacket.FrameBlock(_io__raw_payload, self, self._root)
        elif _on == OpalPacket.PacketType.frame_leader:
            pass
            self._raw_payload = self._io.read_bytes(self.length)
            _io__raw_payload = KaitaiStream(BytesIO(self._raw_payload))
            self.payload = OpalPacket.FrameLeader(_io__raw_payload, self, self._root)
        else:
            pass
            self.payload = self._io.read_bytes(self.length)
        self.crc = self._io.read_u4le()


    def _fetch_instances(self):
        pass
        _on = self.type
        if _on == OpalPacket.PacketType.frame_block:
            pass
            self.payload._fetch_instances()
        elif _on == OpalPacket.PacketType.frame_leader:
            pass
            self.payload._fetch_instances()
        else:
            pass

    class Exposure(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.Exposure, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.time = self._io.read_u8le()
            self.gain = self._io.read_u2le()


        def _fetch_instances(self):
            pass


    class ExposureModeValue(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.ExposureModeValue, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.value = KaitaiStream.resolve_enum(OpalPacket.ExposureControl, self._io.read_u1())


        def _fetch_instances(self):
            pass


    class FocusPositionValue(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.FocusPositionValue, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.value = self._io.read_s4le()


        def _fetch_instances(self):
            pass


    class FrameBlock(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.FrameBlock, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.frame_lo = self._io.read_u4le()
            self.block = self._io.read_u4le()
            self.line0 = self._io.read_u2le()
            self.lines = self._io.read_u2le()
            self.roi = self._io.read_u1()
            self.flags = self._io.read_u1()
            self.spare = self._io.read_u2le()
            self.data = self._io.read_bytes_full()


        def _fetch_instances(self):
            pass


    class FrameLeader(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.FrameLeader, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.frame = self._io.read_u8le()
            self.request = self._io.read_u4le()
            self.stream = self._io.read_u1()
            self.step = self._io.read_u1()
            self.kind = self._io.read_u2le()
            self.pixel_format = KaitaiStream.resolve_enum(OpalPacket.PixelFormat, self._io.read_u4le())
            self.codec = KaitaiStream.resolve_enum(OpalPacket.Compression, self._io.read_u1())
            self.width = self._io.read_u2le()
            self.height = self._io.read_u2le()
            self.x = self._io.read_u2le()
            self.y = self._io.read_u2le()
            self.t_first_row = self._io.read_u8le()
            self.line_period = self._io.read_u4le()
            self.row_direction = KaitaiStream.resolve_enum(OpalPacket.RowDirection, self._io.read_u1())
            self.blocks = self._io.read_u4le()
            self.block_bytes = self._io.read_u2le()
            self.size = self._io.read_u8le()
            self.num_exposures = self._io.read_u1()
            self.exposures = []
            for i in range(self.num_exposures):
                self.exposures.append(OpalPacket.Exposure(self._io, self, self._root))

            self.settings = []
            i = 0
            while not self._io.is_eof():
                self.settings.append(OpalPacket.Setting(self._io, self, self._root))
                i += 1



        def _fetch_instances(self):
            pass
            for i in range(len(self.exposures)):
                pass
                self.exposures[i]._fetch_instances()

            for i in range(len(self.settings)):
                pass
                self.settings[i]._fetch_instances()



    class Setting(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.Setting, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.tag = KaitaiStream.resolve_enum(OpalPacket.Tag, self._io.read_u2le())
            self.len_value = self._io.read_u2le()
            _on = self.tag
            if _on == OpalPacket.Tag.exposure_mode:
                pass
                self._raw_value = self._io.read_bytes(self.len_value)
                _io__raw_value = KaitaiStream(BytesIO(self._raw_value))
                self.value = OpalPacket.ExposureModeValue(_io__raw_value, self, self._root)
            elif _on == OpalPacket.Tag.focus_position:
                pass
                self._raw_value = self._io.read_bytes(self.len_value)
                _io__raw_value = KaitaiStream(BytesIO(self._raw_value))
                self.value = OpalPacket.FocusPositionValue(_io__raw_value, self, self._root)
            elif _on == OpalPacket.Tag.white_balance:
                pass
                self._raw_value = self._io.read_bytes(self.len_value)
                _io__raw_value = KaitaiStream(BytesIO(self._raw_value))
                self.value = OpalPacket.WhiteBalanceValue(_io__raw_value, self, self._root)
            else:
                pass
                self.value = self._io.read_bytes(self.len_value)


        def _fetch_instances(self):
            pass
            _on = self.tag
            if _on == OpalPacket.Tag.exposure_mode:
                pass
                self.value._fetch_instances()
            elif _on == OpalPacket.Tag.focus_position:
                pass
                self.value._fetch_instances()
            elif _on == OpalPacket.Tag.white_balance:
                pass
                self.value._fetch_instances()
            else:
                pass


    class WhiteBalanceValue(KaitaiStruct):
        def __init__(self, _io, _parent=None, _root=None):
            super(OpalPacket.WhiteBalanceValue, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._read()

        def _read(self):
            self.value = self._io.read_u2le()


        def _fetch_instances(self):
            pass
