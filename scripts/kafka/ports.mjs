/** Free ports on 127.0.0.1, from below the range that the system gives to outgoing connections: a broker that is
 *  stopped and started again finds its port still free. */

import { createServer } from 'node:net'

const lowest = 20_000
const highest = 31_999

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

export async function freePorts(count) {
  const found = new Set()
  for (let attempt = 0; attempt < 1_000 && found.size < count; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1))
    if (!found.has(port) && (await isFree(port))) found.add(port)
  }
  if (found.size < count) throw new Error(`no ${count} free ports between ${lowest} and ${highest}`)
  return [...found]
}
