// How opal_packet.py was made, in this folder:
//
//   npm install --prefix /tmp/ksc kaitai-struct-compiler@0.11.0 js-yaml
//   NODE_PATH=/tmp/ksc/node_modules node compile.js > opal_packet.py
const fs = require('fs'), path = require('path'), yaml = require('js-yaml');
const HEADER = `# What kaitai-struct-compiler 0.11.0 (from npm) makes of opal_packet.ksy; see compile.js. The compiler is under the
# GPL-3.0-or-later, which by its README does not extend to its output; this file is under the licences of its source.
# It needs the package kaitaistruct (MIT) and is only imported by the benchmark.
# ruff: noqa: B007, D100, E501, I001, PGH003, PIE790, SIM114, SLF001, TRY002, UP008, UP025, UP031
# fmt: off
`;
const spec = yaml.load(fs.readFileSync(path.join(__dirname, 'opal_packet.ksy'), 'utf8'));
require('kaitai-struct-compiler').compile('python', spec, null, false).then(
  files => process.stdout.write(HEADER + Object.values(files).join('\n').trimEnd() + '\n'),
  error => { console.error(error); process.exit(1); });
