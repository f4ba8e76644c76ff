#!/usr/bin/env node
// The Solidity compiler as forge expects it, answered by the JavaScript build of solc from node_modules: nothing is downloaded.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(import.meta.url)

if (process.argv.includes('--version')) {
  const { version } = require('solc/package.json')
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}+commit.00000000.Linux.g++\n`)
} else {
  const solc = require('solc')
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
}
