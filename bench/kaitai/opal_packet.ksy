# Two packet types of OPAL for Kaitai Struct, as somebody would write them who knows it well.
meta:
  id: opal_packet
  title: OPAL packet with FRAME_LEADER or FRAME_BLOCK
  license: MIT OR Apache-2.0
  endian: le
  bit-endian: le
seq:
  - {id: spare0, type: b1}
  - {id: more, type: b1}
  - {id: spare2, type: b1}
  - {id: rsp, type: b1}
  - {id: major, type: b4, valid: 1}
  - {id: type, type: u1, enum: packet_type}
  - {id: instance, type: b4}
  - {id: vc, type: b4, enum: channel}
  - {id: status, type: u1, enum: status}
  - {id: length, type: u2}
  - {id: txn, type: u2}
  - {id: t_ns, type: u8}
  - id: payload
    size: length
    type:
      switch-on: type
      cases:
        'packet_type::frame_leader': frame_leader
        'packet_type::frame_block': frame_block
  - {id: crc, type: u4}
types:
  frame_leader:
    seq:
      - {id: frame, type: u8}
      - {id: request, type: u4}
      - {id: stream, type: u1}
      - {id: step, type: u1}
      - {id: kind, type: u2}
      - {id: pixel_format, type: u4, enum: pixel_format}
      - {id: codec, type: u1, enum: compression}
      - {id: width, type: u2}
      - {id: height, type: u2}
      - {id: x, type: u2}
      - {id: y, type: u2}
      - {id: t_first_row, type: u8}
      - {id: line_period, type: u4}
      - {id: row_direction, type: u1, enum: row_direction}
      - {id: blocks, type: u4}
      - {id: block_bytes, type: u2}
      - {id: size, type: u8}
      - {id: num_exposures, type: u1}
      - {id: exposures, type: exposure, repeat: expr, repeat-expr: num_exposures}
      - {id: settings, type: setting, repeat: eos}
  exposure:
    seq:
      - {id: time, type: u8}
      - {id: gain, type: u2}
  setting:
    seq:
      - {id: tag, type: u2, enum: tag}
      - {id: len_value, type: u2}
      - id: value
        size: len_value
        type:
          switch-on: tag
          cases:
            'tag::exposure_mode': exposure_mode_value
            'tag::white_balance': white_balance_value
            'tag::focus_position': focus_position_value
  exposure_mode_value:
    seq: [{id: value, type: u1, enum: exposure_control}]
  white_balance_value:
    seq: [{id: value, type: u2}]
  focus_position_value:
    seq: [{id: value, type: s4}]
  frame_block:
    seq:
      - {id: frame_lo, type: u4}
      - {id: block, type: u4}
      - {id: line0, type: u2}
      - {id: lines, type: u2}
      - {id: roi, type: u1}
      - {id: flags, type: u1}
      - {id: spare, type: u2}
      - {id: data, size-eos: true}
enums:
  packet_type: {0x70: frame_leader, 0x71: frame_block}
  channel: {5: meta, 8: stream0, 9: stream1, 10: stream2, 11: stream3}
  status: {0: ok}
  pixel_format: {0x01080009: bayer_rg8, 0x010c0059: bayer_rg12p, 0x010e0106: bayer_rg14p, 0x0110002f: bayer_rg16}
  compression: {0: none, 1: dpcm, 2: jpeg_xs, 3: jpeg}
  row_direction: {0: top_down, 1: bottom_up, 2: all_at_once}
  tag: {0x0103: exposure_mode, 0x0201: white_balance, 0x0301: focus_position}
  exposure_control: {0: manual, 1: auto, 2: locked}
