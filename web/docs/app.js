// The page that shows the OpenAPI document of this server and calls its endpoints.
//
// Whatever comes from the server is put into the page as text, never as markup: el and prose are the only ways
// in. The token stays in its input field; nothing is stored, and nothing is sent to another host.
'use strict';

const shownChars = 200_000; // of a body
const shownEvents = 25;     // of a stream, then it is cut off
const shownLines = 200;

const root = new URL('.', document.baseURI); // where the server is mounted: the page is ROOT/docs
let api; // the document

const $ = (id) => document.getElementById(id);

// el makes an element. Properties beginning with "on" are listeners; children are elements or text.
function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((c) => c !== undefined && c !== ''));
  return node;
}

// prose makes paragraphs of a description: blank lines part them, `code` and **strong** are marked up.
function prose(text, className) {
  return (text || '').trim().split(/\n\s*\n/).filter(Boolean).map((paragraph) =>
    el('p', {class: className}, inline(paragraph.replace(/\s*\n\s*/g, ' '))));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith('`') && part.length > 2) return el('code', {}, part.slice(1, -1));
    if (part.startsWith('**') && part.length > 4) return el('strong', {}, part.slice(2, -2));
    return part;
  });
}

// resolve follows references within the document. What stands beside a reference adds to it.
function resolve(node) {
  for (let depth = 0; node && node.$ref && depth < 8; depth++) {
    const {$ref, ...beside} = node;
    const target = $ref.slice(2).split('/').reduce((v, part) => v && v[part.replace(/~1/g, '/').replace(/~0/g, '~')], api);
    node = {...target, ...beside};
  }
  return node || {};
}

// ---- schemas

const typesOf = (schema) => [].concat(schema.type || []);

function typeText(schema) {
  schema = resolve(schema);
  if (schema.enum) return 'one of ' + schema.enum.map((v) => (v === '' ? '""' : String(v))).join(', ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.oneOf) return schema.oneOf.map(typeText).join(' or ');
  return typesOf(schema).map((type) => {
    if (type !== 'array' || !schema.items) return type === 'string' ? 'text' : type;
    const item = resolve(schema.items);
    return 'array of ' + (typesOf(item).includes('object') ? 'objects' : typeText(item));
  }).join(' or ') || 'anything';
}

function limitsText(schema) {
  schema = resolve(schema);
  const all = [];
  const range = (low, high, unit) => {
    if (low === 1 && high === undefined && unit === ' characters') all.push('not empty');
    else if (low !== undefined && high !== undefined) all.push(`${low} to ${high}${unit}`);
    else if (low !== undefined) all.push(`at least ${low}${unit}`);
    else if (high !== undefined) all.push(`at most ${high}${unit}`);
  };
  range(schema.minimum, schema.maximum, '');
  range(schema.minLength, schema.maxLength, ' characters');
  range(schema.minItems, schema.maxItems, ' items');
  range(schema.minProperties, schema.maxProperties, ' members');
  if (schema.format) all.push(schema.format);
  if (schema.pattern && !schema.example) all.push('like ' + schema.pattern);
  if (schema.default !== undefined) all.push('by default ' + (schema.default === '' ? '""' : String(schema.default)));
  return all.join('; ');
}

// members lists what an object or an array of objects holds. needed says what a member is that must be there.
function members(schema, needed, depth = 0) {
  schema = resolve(schema);
  const all = schema.oneOf ? schema.oneOf.map(resolve) : [schema];
  const lists = all.map((s) => (typesOf(s).includes('array') ? resolve(s.items) : s)).filter((s) => s.properties);
  // One thing and an array of them have the same members.
  const distinct = lists.filter((s, i) => lists.findIndex((other) => other.properties === s.properties) === i);
  return distinct.map((s) => el('ul', {class: 'members'}, Object.entries(s.properties).map(([name, property]) => {
    const value = resolve(property);
    return el('li', {},
      el('code', {}, name), ' ',
      el('span', {class: 'type'}, [typeText(value), limitsText(value)].filter(Boolean).join('; ')),
      (s.required || []).includes(name) ? el('span', {class: needed}, ' ' + needed) : '',
      value.description ? el('span', {}, ' – ', inline(value.description)) : '',
      depth < 5 ? members(value, needed, depth + 1) : '');
  })));
}

// ---- operations

// operations lists the document's operations in the order of its tags.
function operations() {
  const all = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
      if (item[method]) {
        const {parameters = [], ...operation} = item[method];
        all.push({...operation, path, method: method.toUpperCase(), parameters: [...(item.parameters || []), ...parameters].map(resolve)});
      }
    }
  }
  return all;
}

function methodBadge(method) {
  return el('span', {class: 'method ' + method.toLowerCase()}, method);
}

function showOperation(op) {
  const details = el('details', {class: 'operation', id: op.operationId},
    el('summary', {},
      el('h3', {}, methodBadge(op.method), ' ', el('code', {}, ...pathParts(op.path)), ' ', el('span', {class: 'summary'}, op.summary))));
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(operationBody(op));
  });
  return details;
}

// pathParts lets long paths break after a slash.
function pathParts(path) {
  return path.split(/(?<=\/)/).flatMap((part) => [part, el('wbr')]);
}

function operationBody(op) {
  const form = callForm(op);
  return el('div', {class: 'body'},
    prose(op.description),
    form,
    el('h4', {}, 'Answers'),
    Object.entries(op.responses).map(([status, response]) => answerText(status, resolve(response))));
}

function answerText(status, response) {
  const contents = Object.entries(response.content || {});
  const parts = contents.flatMap(([media, content]) => [
    el('p', {}, el('code', {}, media)),
    ...prose(resolve(content.schema).description),
    ...members(content['x-line'] || content['x-data'] || content.schema, 'always'),
    content.example === undefined ? '' : el('pre', {tabindex: 0, 'aria-label': `Example of ${status}`}, typeof content.example === 'string' ? content.example : JSON.stringify(content.example, null, 2)),
  ]);
  const headers = Object.entries(response.headers || {}).map(([name, header]) => el('li', {}, el('code', {}, name), ' ', inline(resolve(header).description || '')));
  const first = el('span', {}, el('strong', {class: 'status s' + status[0]}, status), ' ', inline((response.description || '').trim().replace(/\s*\n\s*/g, ' ')));
  if (!parts.length && !headers.length) return el('div', {class: 'answer plain'}, first);
  return el('details', {class: 'answer'}, el('summary', {}, first), headers.length ? el('ul', {class: 'members'}, headers) : '', parts);
}

// ---- calls

function callForm(op) {
  // What a browser cannot do by itself, compressing a body for example, is told and not offered.
  const fields = op.parameters.filter((p) => !p['x-no-form']).map((p) => parameterField(op, p));
  const told = op.parameters.filter((p) => p['x-no-form']).map((p) =>
    el('p', {class: 'hint'}, 'Not from here: ', el('code', {}, p.name), ` (${p.in}). `, inline(p.description || ''), ' ', typeText(p.schema)));
  const body = bodyField(op);
  const result = el('div', {class: 'result', role: 'status'});
  const changes = op.method !== 'GET' && !op['x-reads-only'];
  const send = el('button', {type: 'submit', class: changes ? 'send changes' : 'send'}, 'Send ' + op.method);
  const form = el('form', {class: 'call', autocomplete: 'off', novalidate: true},
    fields.length ? el('fieldset', {}, el('legend', {}, 'Parameters'), fields.map((f) => f.node)) : '',
    told,
    body ? el('fieldset', {}, el('legend', {}, 'Body'), body.node) : '',
    el('p', {class: 'row'}, send, changes ? el('span', {class: 'hint'}, 'This changes what the server holds.') : ''),
    result);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    call(op, fields, body, send, result);
  });
  return form;
}

let fieldCount = 0;

function parameterField(op, p) {
  const schema = resolve(p.schema);
  const id = 'field-' + ++fieldCount;
  // An example tells more than a pattern, and that a text is a text goes without saying.
  const hint = [typeText(schema), limitsText({...schema, example: p.example})].filter((part) => part && part !== 'text').join('; ');
  const label = el('label', {for: id}, el('code', {}, p.name), p.in === 'header' ? ' (header)' : '', p.required ? el('span', {class: 'required'}, ' required') : '');
  let input;
  if (schema.enum || typesOf(schema).includes('boolean')) {
    const values = (schema.enum || [true, false]).map(String).filter(Boolean);
    input = el('select', {id}, el('option', {value: ''}, '(not sent)'), values.map((v) => el('option', {value: v}, v)));
  } else {
    // What must be there begins with its example, so that the call works at once.
    input = el('input', {id, type: 'text', spellcheck: 'false', inputmode: typesOf(schema).includes('integer') ? 'numeric' : undefined,
      placeholder: p.example === undefined ? '' : String(p.example), value: p.required && p.example !== undefined ? String(p.example) : undefined});
  }
  input.setAttribute('aria-describedby', id + '-hint');
  if (p.required) input.required = true;
  const node = el('div', {class: 'field'}, label, input,
    el('p', {class: 'hint', id: id + '-hint'}, inline(p.description || ''), ' ', hint ? el('span', {class: 'type'}, `(${hint})`) : ''));
  return {node, input, parameter: p};
}

function bodyField(op) {
  const contents = Object.entries(resolve(op.requestBody).content || {}).filter(([media]) => media !== '*/*');
  if (!contents.length) return undefined;
  const id = 'field-' + ++fieldCount;
  const text = el('textarea', {id, spellcheck: 'false'});
  const media = el('select', {id: id + '-media'}, contents.map(([name]) => el('option', {value: name}, name)));
  const fill = () => {
    const {example = ''} = contents.find(([name]) => name === media.value)[1];
    text.value = typeof example === 'string' ? example : JSON.stringify(example, null, 2);
    text.rows = Math.min(20, text.value.split('\n').length + 1);
  };
  media.addEventListener('change', fill);
  fill();
  const node = el('div', {class: 'field wide'},
    el('label', {for: id + '-media'}, 'Content type'), media,
    el('label', {for: id}, 'Content'), text,
    el('details', {}, el('summary', {}, 'Members'), members(contents[0][1].schema, 'required')));
  return {node, text, media};
}

// credential returns the header field in which this API's clients send their token.
function credential(op) {
  const security = op.security || api.security;
  if (!security.length) return undefined;
  const scheme = api.components.securitySchemes[Object.keys(security[0])[0]];
  return scheme.type === 'apiKey' ? {name: scheme.name, before: ''} : {name: 'Authorization', before: 'Bearer '};
}

// requestOf gathers what the form says.
function requestOf(op, fields, body) {
  let path = op.path;
  const query = new URLSearchParams();
  const headers = [];
  for (const {input, parameter: p} of fields) {
    if (input.value === '' && p.in !== 'path') continue;
    if (p.in === 'path') path = path.replace(`{${p.name}}`, (p['x-slashes'] ? input.value.split('/') : [input.value]).map(encodeURIComponent).join('/'));
    else if (p.in === 'query') query.append(p.name, input.value);
    else headers.push([p.name, input.value]);
  }
  if (body) headers.push(['Content-Type', body.media.value]);
  const url = new URL(path.slice(1), root);
  url.search = query.toString();
  return {method: op.method, url, headers, body: body ? body.text.value : undefined, credential: credential(op)};
}

// curl writes a request as a line for a POSIX shell, with the token in a variable.
function curl(request) {
  const quote = (s) => `'${s.replace(/'/g, `'\\''`)}'`;
  const parts = ['curl -i'];
  if (request.method !== 'GET' && !(request.method === 'POST' && request.body)) parts.push('-X ' + request.method);
  if (request.credential) parts.push(`-H "${request.credential.name}: ${request.credential.before}$TOKEN"`);
  for (const [name, value] of request.headers) parts.push('-H ' + quote(`${name}: ${value}`));
  if (request.body) parts.push('--data-binary ' + quote(request.body));
  parts.push(quote(request.url.href));
  return parts.join(' \\\n  ');
}

async function call(op, fields, body, send, result) {
  const token = $('token').value.trim();
  const missing = fields.find(({input}) => input.required && input.value === '');
  if (missing) {
    missing.input.focus();
    result.replaceChildren(el('p', {class: 'failed'}, el('code', {}, missing.parameter.name), ' is required.'));
    return;
  }
  if (op.method === 'DELETE' && !confirm(`Send ${op.method} ${op.path}?`)) return;
  const request = requestOf(op, fields, body);
  const line = curl(request);
  const stop = new AbortController();
  const stopButton = el('button', {type: 'button', onclick: () => stop.abort()}, 'Stop');
  const state = el('p', {class: 'state'}, 'Sending… ', stopButton);
  const answer = el('div', {});
  result.replaceChildren(state, el('h4', {}, 'Request'), copyable(line, 'Request as a curl line'), answer);
  send.disabled = true;
  const start = performance.now();
  try {
    const headers = new Headers(request.headers);
    if (request.credential && token) headers.set(request.credential.name, request.credential.before + token);
    const response = await fetch(request.url, {
      method: request.method, headers, body: request.body, signal: stop.signal,
      cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer',
      // With a token the browser must not ask for a password as well; without one its certificate signs in.
      credentials: request.credential && token ? 'omit' : 'same-origin',
    });
    const status = el('strong', {class: 'status s' + String(response.status)[0]}, `${response.status} ${response.statusText}`.trim());
    state.replaceChildren(status, ` after ${Math.round(performance.now() - start)} ms `, stopButton);
    const text = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    const pre = el('pre', {tabindex: 0, 'aria-label': 'Body of the answer', class: 'answer-body'});
    const note = el('p', {class: 'hint'});
    answer.replaceChildren(el('h4', {}, 'Answer'), el('pre', {tabindex: 0, 'aria-label': 'Header of the answer'}, text), pre, note);
    note.textContent = await readBody(response, pre, stop);
    if (!pre.textContent) pre.remove();
  } catch (error) {
    const why = error.name === 'AbortError' ? 'Stopped.' : `No answer: ${error.message}. Is the server running, and does the browser trust its certificate?`;
    answer.append(el('p', {class: 'failed'}, why));
    if (!answer.querySelector('h4')) state.replaceChildren();
  } finally {
    stopButton.remove();
    send.disabled = false;
  }
}

function copyable(text, label) {
  const pre = el('pre', {tabindex: 0, 'aria-label': label}, text);
  if (!navigator.clipboard) return pre; // only where the connection is trusted
  const button = el('button', {type: 'button', class: 'copy', onclick: async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  }}, 'Copy');
  return el('div', {class: 'copyable'}, pre, button);
}

// readBody shows a body as it comes, and returns what is to be said about it. Streams and long lists of lines
// are cut off after a while.
async function readBody(response, pre, stop) {
  const media = (response.headers.get('Content-Type') || '').split(';')[0].trim();
  const limits = {'text/event-stream': [/^data:/gm, shownEvents, 'events'], 'application/x-ndjson': [/\n/g, shownLines, 'lines'], 'text/csv': [/\n/g, shownLines, 'lines']};
  const [mark, most, what] = limits[media] || [];
  const reader = response.body ? response.body.pipeThrough(new TextDecoderStream()).getReader() : undefined;
  let text = '';
  for (let piece; reader && !(piece = await reader.read()).done;) {
    text += piece.value;
    const enough = mark && (text.match(mark) || []).length >= most;
    if (mark) pre.textContent = text.slice(0, shownChars);
    if (enough || text.length > shownChars) {
      stop.abort();
      pre.textContent = text.slice(0, shownChars);
      return `Cut off after ${enough ? `${most} ${what}` : `${shownChars} characters`}.`;
    }
  }
  pre.textContent = /\bjson$/.test(media) ? indent(text) : text;
  return '';
}

// indent lays JSON out without reading its values: a number may have more digits than JavaScript keeps.
function indent(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const line = () => '\n' + '  '.repeat(depth);
  return text.trim().replace(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|\s+/g, (token) => {
    switch (token[0]) {
      case '{': case '[':
        if (token.length > 1) return token[0] + token[token.length - 1];
        depth++;
        return token + line();
      case '}': case ']':
        depth--;
        return line() + token;
      case ',':
        return token + line();
      case ':':
        return ': ';
      case '"':
        return token;
      default:
        return ''; // white space
    }
  });
}

// ---- the page

function show() {
  $('loading').remove();
  $('about').append(...prose(api.info.description));
  const all = operations();
  for (const tag of api.tags) {
    const own = all.filter((op) => op.tags.includes(tag.name));
    if (!own.length) continue;
    const id = 'api-' + tag.name.toLowerCase().replace(/\W+/g, '-');
    $('operations').append(el('section', {class: 'tag', 'aria-labelledby': id},
      el('h2', {id}, tag.name), prose(tag.description), own.map(showOperation)));
    $('menu-list').append(el('section', {}, el('h2', {}, el('a', {href: '#' + id}, tag.name)),
      el('ul', {}, own.map((op) => el('li', {}, el('a', {href: '#' + op.operationId, title: op.summary}, methodBadge(op.method), ' ', ...pathParts(op.path)))))));
  }
  openLinked();
}

// openLinked opens the operation that the address names.
function openLinked() {
  const target = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.matches('details.operation')) {
    target.open = true;
    target.firstElementChild.focus({preventScroll: true});
  }
  target.scrollIntoView();
}

function filter() {
  const words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (text) => words.every((word) => text.toLowerCase().includes(word));
  let any = false;
  for (const section of document.querySelectorAll('section.tag')) {
    let some = false;
    for (const operation of section.querySelectorAll('details.operation')) {
      operation.hidden = !fits(operation.firstElementChild.textContent);
      some ||= !operation.hidden;
    }
    section.hidden = !some;
    any ||= some;
  }
  for (const item of document.querySelectorAll('#menu-list li')) {
    const operation = $(item.firstElementChild.hash.slice(1));
    item.hidden = operation.hidden;
  }
  for (const section of document.querySelectorAll('#menu-list section')) {
    section.hidden = !section.querySelector('li:not([hidden])');
  }
  $('about').hidden = words.length > 0;
  $('none').hidden = any;
}

async function start() {
  const narrow = matchMedia('(max-width: 56rem)');
  $('menu').open = !narrow.matches;
  $('menu-list').addEventListener('click', () => { if (narrow.matches) $('menu').open = false; });
  $('filter').addEventListener('input', filter);
  $('token-form').addEventListener('submit', (event) => event.preventDefault());
  $('token-show').addEventListener('click', (event) => {
    const hidden = $('token').type === 'password';
    $('token').type = hidden ? 'text' : 'password';
    event.target.textContent = hidden ? 'Hide' : 'Show';
    event.target.setAttribute('aria-pressed', String(hidden));
  });
  addEventListener('hashchange', openLinked);
  try {
    const response = await fetch(new URL('openapi.json', root), {cache: 'no-store'});
    if (!response.ok) throw new Error('status ' + response.status);
    api = await response.json();
    show();
  } catch (error) {
    $('loading').textContent = `The document could not be read: ${error.message}.`;
  }
}

start();
