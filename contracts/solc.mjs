#!/usr/bin/env node
// The Solidity compiler as forge expects it, answered by the JavaScript build of solc from node_modules: nothing is downloaded.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const require = createRequire(import.meta.url)

/** Where solc looks for a source that forge did not hand over: relative to --base-path, as the native compiler does. */
function readImport(name) {
  const base = process.argv[process.argv.indexOf('--base-path') + 1] ?? '.'
  try {
    return { contents: readFileSync(resolve(base, name), 'utf8') }
  } catch (error) {
    return { error: error.message }
  }
}

if (process.argv.includes('--version')) {
  const { version } = require('solc/package.json')
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}+commit.00000000.Linux.g++\n`)
} else {
  process.stdout.write(require('solc').compile(readFileSync(0, 'utf8'), { import: readImport }))
}
