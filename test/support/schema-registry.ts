/** A schema registry's part that serializers ask: registers schemas under subjects, and gives them back by id or as the
 *  latest of their subject. On 127.0.0.1, in this process, over plain HTTP. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface StoredSchema {
  readonly id: number
  readonly subject: string
  readonly version: number
  readonly schemaType: string
  readonly schema: string
}

export interface SchemaRegistryStandIn {
  readonly url: string
  /** Method and path of every request, in order. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

export async function startSchemaRegistry(): Promise<SchemaRegistryStandIn> {
  const schemas: StoredSchema[] = []
  const requests: string[] = []

  const answer = (method: string, path: string, body: string): unknown => {
    const [, subject = ''] = /^\/subjects\/([^/]+)/.exec(path) ?? []
    const ofSubject = schemas.filter((one) => one.subject === decodeURIComponent(subject))
    if (method === 'POST' && path.endsWith('/versions')) {
      const { schema, schemaType = 'AVRO' } = JSON.parse(body) as { schema: string; schemaType?: string }
      const known = ofSubject.find((one) => one.schema === schema)
      if (known !== undefined) return known
      const version = ofSubject.length + 1
      const made = { id: 1_000 + schemas.length, subject: decodeURIComponent(subject), version, schemaType, schema }
      schemas.push(made)
      return made
    }
    if (method === 'GET' && path.endsWith('/versions/latest')) return ofSubject.at(-1)
    const [, id] = /^\/schemas\/ids\/(\d+)$/.exec(path) ?? []
    return method === 'GET' && id !== undefined ? schemas.find((one) => one.id === Number(id)) : undefined
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://registry')
    requests.push(`${request.method} ${pathname}`)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const found = answer(request.method ?? '', pathname, Buffer.concat(chunks).toString())
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
    response.end(JSON.stringify(found ?? { error_code: 40_401, message: 'not found' }))
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      response.destroy(error as Error)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}
