// The tenants' own views, a form for each, and the attempts to get from one to the other.

const [ME, THEM] = ["acme", "globex"];

async function ask(tenants, method, path, body) {
  const headers = new Headers();
  for (const tenant of tenants) headers.append("X-Tenant-ID", tenant);
  if (body) headers.set("Content-Type", "application/json");
  const init = {method, headers, body: body && JSON.stringify(body), cache: "no-store"};
  const answer = await fetch(path, init);
  const kind = (answer.headers.get("Content-Type") ?? "").split(";")[0];
  return {status: answer.status, isProblem: kind === "application/problem+json",
    text: await answer.text()};
}

async function rows(tenant, path) {
  const answer = await ask([tenant], "GET", path);
  if (answer.status !== 200) throw new Error(`${path} answered ${tenant} with ${answer.status}`);
  return JSON.parse(answer.text);
}

async function view(tenant) {
  const [invoices, customers] =
    await Promise.all([rows(tenant, "/invoices"), rows(tenant, "/customers")]);
  return {invoices, customers};
}

const views = async () => ({[ME]: await view(ME), [THEM]: await view(THEM)});

// Select by the rows' own tenant: without the protection, each tenant sees both tenants' rows.
const of = (tenant, list) => list.filter((row) => row.tenant_id === tenant);
const owned = (tenant, seen) => ({
  invoices: of(tenant, seen[tenant].invoices),
  customers: of(tenant, seen[tenant].customers),
});

function element(name, text, className) {
  const created = document.createElement(name);
  if (text !== undefined) created.textContent = text;
  if (className) created.className = className;
  return created;
}

const counted = (count, name) => `${count} ${name}${count === 1 ? "" : "s"}`;

// ---- the two panels

const MONEY = new Intl.NumberFormat("en", {minimumFractionDigits: 2, maximumFractionDigits: 2});
const panels = new Map();

function showPanel(tenant, seen, newest) {
  const panel = panels.get(tenant);
  const names = new Map(seen.customers.map((each) => [each.id, each.name]));
  panel.querySelector("tbody").replaceChildren(...seen.invoices.map((row) => {
    const isForeign = row.tenant_id !== tenant;
    const line = element("tr", undefined, isForeign ? "foreign" : row.id === newest ? "new" : "");
    const number = element("th", row.number + (isForeign ? ` (${row.tenant_id}'s)` : ""));
    number.scope = "row";
    const amount = `${MONEY.format(row.amount / 100)} ${row.currency_code}`;
    line.append(number, element("td", names.get(row.customer_id) ?? "?"),
      element("td", amount, "amount"));
    return line;
  }));
  panel.querySelector(".count").textContent =
    `${counted(seen.invoices.length, "invoice")}, as ${tenant} sees them`;
}

async function addInvoice(tenant, form) {
  const said = form.querySelector(".said");
  const {number, customer, amount, currency} = form.elements;
  const answer = await ask([tenant], "POST", "/invoices", {
    number: number.value,
    customer_id: Number(customer.value),
    currency_code: currency.value,
    amount: Math.round(Number(amount.value) * 100),
  });
  if (answer.status !== 201) {
    said.textContent = answer.status === 409
      ? `${tenant} already has an invoice ${number.value}.`
      : `The invoice was not accepted (${answer.status}).`;
    return;
  }
  const created = JSON.parse(answer.text);
  // Refresh both panels: the invoice must be in one of them and not in the other.
  const seen = await views();
  for (const each of panels.keys()) showPanel(each, seen[each], created.id);
  said.textContent = `Added ${created.number} to ${tenant}.`;
  number.value = amount.value = "";
}

async function makePanel(tenant) {
  const panel = document.getElementById("tenant").content.firstElementChild.cloneNode(true);
  panel.dataset.tenant = tenant;
  const heading = panel.querySelector("h2");
  heading.textContent = tenant;
  heading.id = `heading-${tenant}`;
  panel.setAttribute("aria-labelledby", heading.id);
  panel.querySelector("caption").textContent = `The invoices of ${tenant}`;
  const form = panel.querySelector("form");
  form.setAttribute("aria-label", `Add an invoice for ${tenant}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileBusy(() => addInvoice(tenant, form), form.querySelector(".said"));
  });
  panels.set(tenant, panel);
  document.getElementById("tenants").append(panel);
  const [seen, currencies] = await Promise.all([view(tenant), rows(tenant, "/currencies")]);
  form.elements.customer.append(
    ...of(tenant, seen.customers).map((each) => new Option(each.name, each.id)));
  form.elements.currency.append(
    ...currencies.map((each) => new Option(`${each.code}, ${each.name}`, each.code)));
  form.elements.currency.value = "EUR";
  showPanel(tenant, seen);
}

// ---- the attempts

function fill(template, values) {
  const filled = /^\{(\w+)\}$/.exec(template);
  if (filled) return values[filled[1]];
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function valuesFor(before, turn) {
  const mine = owned(ME, before), theirs = owned(THEM, before);
  const fresh = Date.now() + turn;
  const values = {
    me: ME,
    them: THEM,
    my_invoice: mine.invoices[0]?.id,
    their_invoice: theirs.invoices[0]?.id,
    my_customer: mine.customers[0]?.id,
    their_customer: theirs.customers[0]?.id,
    new_number: `NEW-${fresh.toString(36)}`,
    new_amount: fresh % 1_000_000,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) throw new Error(`there is no ${name.replace("_", " ")} to try with`);
  }
  return values;
}

const marks = ({invoices, customers}) =>
  [...invoices.map((row) => row.number), ...customers.map((row) => row.name)];

// In JSON only whole values count: a tenant may have an invoice "1".
function shownIn(text) {
  const values = new Set();
  try {
    JSON.parse(text, (_, value) => { values.add(value); return value; });
  } catch {
    return (mark) => text.includes(mark);
  }
  return (mark) => values.has(mark);
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function judge(attempt, answer, before, after) {
  const mine = owned(ME, before), theirs = owned(THEM, before);
  const mineAfter = owned(ME, after), theirsAfter = owned(THEM, after);

  // A request that names no tenant, or two, may see no rows at all.
  const own = new Set(attempt.tenants === "own" ? marks(mine) : []);
  const isShown = shownIn(answer.text);
  const crossed = [];
  // A number that both tenants use proves nothing.
  const seen = [...marks(theirs), ...marks(mine)].filter((mark) => !own.has(mark) && isShown(mark));
  if (seen.length) crossed.push(`The response shows ${seen.join(", ")}.`);
  if (!same(theirs, theirsAfter)) crossed.push(`${THEM}'s rows have changed.`);
  const foreign = new Set(theirs.customers.map((row) => row.id));
  const referring = ({invoices}) => invoices.filter((row) => foreign.has(row.customer_id)).length;
  if (referring(mineAfter) > referring(mine)) {
    crossed.push(`An invoice of ${ME} refers to a customer of ${THEM}.`);
  }
  if (crossed.length) return {outcome: "CROSSED", why: crossed.join(" ")};

  const shown = attempt.shows === "names" ? mine.customers.map((row) => row.name)
    : attempt.shows === "numbers" ? mine.invoices.map((row) => row.number) : [];
  const missing = shown.filter((mark) => !isShown(mark));
  const changed = mineAfter.invoices.filter((row, at) => !same(row, mine.invoices[at])).length;
  if (answer.status !== attempt.expected) {
    return {outcome: "unexpected", why: `The expected status is ${attempt.expected}.`};
  }
  if (answer.status === 500 && !answer.isProblem) {
    return {outcome: "unexpected", why: "The application crashed."};
  }
  if (missing.length) {
    return {outcome: "unexpected", why: `${ME} does not see its own ${missing.join(", ")}.`};
  }
  if ((changed > 0) !== attempt.changes) {
    return {outcome: "unexpected", why: `${counted(changed, "row")} of ${ME} changed.`};
  }

  if (answer.isProblem) return {outcome: "refused", why: JSON.parse(answer.text).detail};
  if (answer.status === 404) return {outcome: "confined", why: `For ${ME} the row does not exist.`};
  const what = attempt.shows === "names" ? "customer" : "invoice";
  return {outcome: "confined", why: attempt.changes
    ? `It changed ${counted(changed, "row")}, all of them ${ME}'s.`
    : `It shows ${counted(shown.length, what)}, all of them ${ME}'s.`};
}

async function run(attempt, turn, before) {
  const values = valuesFor(before, turn);
  const body = attempt.body && Object.fromEntries(
    Object.entries(attempt.body).map(([name, value]) => [name, fill(value, values)]));
  const tenants = {own: [ME], none: [], both: [ME, THEM]}[attempt.tenants];
  const path = fill(attempt.path, values);
  const answer = await ask(tenants, attempt.method, path, body);
  const after = await views();
  return {path, after, status: answer.status, ...judge(attempt, answer, before, after)};
}

const attemptRows = new Map();

function showOutcome(attempt, {outcome, path, status, why}) {
  const [name, cell] = attemptRows.get(attempt).cells;
  name.querySelector("code").textContent = `${attempt.method} ${path ?? attempt.path}`;
  cell.replaceChildren(element("span", outcome, `outcome ${outcome.toLowerCase()}`));
  if (status) cell.append(element("span", status, "status"));
  if (why) cell.append(element("span", why, "why"));
}

function makeAttempt(attempt) {
  const line = element("tr");
  const name = element("th", attempt.name);
  name.scope = "row";
  name.append(element("small", attempt.careless), element("code"));
  line.append(name, element("td"));
  attemptRows.set(attempt, line);
  document.querySelector("#attempts tbody").append(line);
  showOutcome(attempt, {outcome: "waiting"});
}

async function runAll() {
  const summary = document.getElementById("summary");
  const counts = {refused: 0, confined: 0, unexpected: 0, CROSSED: 0};
  for (const attempt of attemptRows.keys()) showOutcome(attempt, {outcome: "waiting"});
  let seen = await views();
  let turn = 0;
  for (const attempt of attemptRows.keys()) {
    summary.textContent = `${turn} of ${attemptRows.size} done`;
    const result = await run(attempt, turn += 1, seen);
    counts[result.outcome] += 1;
    showOutcome(attempt, result);
    seen = result.after;
  }
  for (const tenant of panels.keys()) showPanel(tenant, seen[tenant]);
  const odd = counts.unexpected ? `, ${counts.unexpected} unexpected` : "";
  summary.textContent = `${counted(attemptRows.size, "attempt")}: ${counts.refused} refused, ` +
    `${counts.confined} confined${odd}, ${counts.CROSSED} crossed.`;
}

// ---- a request that is followed; the server makes the drawing, also without this script

async function follow(form, said) {
  const answer = await fetch(form.action, {method: "POST",
    body: new URLSearchParams(new FormData(form))});
  if (answer.status !== 200) throw new Error(`it answered with ${answer.status}`);
  const shown = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("trace").replaceWith(shown.getElementById("trace"));
  // The request may have changed rows.
  const seen = await views();
  for (const tenant of panels.keys()) showPanel(tenant, seen[tenant]);
  said.textContent = `Below is the way of “${form.elements.request.value}”.`;
}

// ---- one action at a time: an invoice added during an attempt would look like a leak

async function whileBusy(act, said) {
  const buttons = document.querySelectorAll("button");
  const focused = document.activeElement;
  for (const button of buttons) button.disabled = true;
  try {
    await act();
  } catch (error) {
    said.textContent = `The server gave an unexpected answer: ${error.message}.`;
  } finally {
    for (const button of buttons) button.disabled = false;
    // A disabled button loses the focus; give it back for keyboard users.
    if (document.activeElement === document.body) focused.focus();
  }
}

const summary = document.getElementById("summary");
document.getElementById("run").addEventListener("click", () => whileBusy(runAll, summary));
const following = document.querySelector("#follow form");
following?.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = following.querySelector(".said");
  whileBusy(() => follow(following, said), said);
});
await whileBusy(async () => {
  for (const tenant of [ME, THEM]) await makePanel(tenant);
  for (const attempt of JSON.parse((await ask([], "GET", "/attempts")).text)) makeAttempt(attempt);
}, summary);
document.body.dataset.ready = "yes";
