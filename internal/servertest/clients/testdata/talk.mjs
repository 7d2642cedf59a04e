// How these programs talk with the test: what a person has to do goes out as a line of
// JSON, where it led comes back as a line of text.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function say(message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

// visit has the person go to an address and returns where they ended up.
export async function visit(address) {
  await say({ visit: String(address) })
  const { value } = await lines.next()
  return new URL(value)
}

// enter has the person open a page and say yes to a device.
export async function enter(address, code) {
  await say({ visit: String(address), code })
  await lines.next()
}

export async function done(result) {
  await say({ done: result })
  process.exit(0)
}

export function expect(what, ok) {
  if (!ok) throw new Error('not so: ' + what)
}

export const settings = JSON.parse(process.env.SETTINGS)
