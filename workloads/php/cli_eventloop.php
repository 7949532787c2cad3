<?php
/*
 * Twin of the workload cli-eventloop: a server and its client in one event loop. Prints one line of JSON with the live
 * bytes and the collector's state at ten checkpoints; README.md says what corresponds to what and where the two differ.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_eventloop.php [--steps=N] [--seed=N] [--connections=N] [--requests=N] [--errors=PERCENT]
           [--resident=N] [--log=N] [--keepalive=N] [--linked=0|1]

  --steps=N          turns of the loop (default 400)
  --seed=N           of the random numbers (default 1)
  --connections=N    open connections, both ends of each (default 50)
  --requests=N       begun in a turn; each is in flight for two (default 20)
  --errors=PERCENT   of the requests whose handler throws (default 0)
  --resident=N       sessions that live on (default 1400)
  --log=N            bound of the access log (default 500)
  --keepalive=N      requests that a connection serves before it is opened anew (default 40)
  --linked=1         closures and traces refer to the loop (default); 0: not

TEXT;

const READ_BYTES = 65536;
const TIMEOUT_TURNS = 30;
const PERIOD_TURNS = 8;
const EVENTS = ['data', 'end', 'error', 'close'];
const LONG_BODY_WORDS = 60;
const SHORT_BODY_WORDS = 8;
const RESPONSES_PER_LONG_ONE = 4;
const TRACE_FRAMES = 8;

/* ---- Classes: as many properties as the workload's ---- */

class Connection
{
    public $loop, $listeners, $stream, $id, $peer, $other, $index, $served, $pending, $p9, $p10, $p11, $p12;
}

class Stream
{
    public $content, $position, $listeners;
}

class Exchange
{
    public $number, $connection, $target, $resolve, $timer, $result;
}

class Uri
{
    public $scheme, $host, $port, $path, $query, $p5, $p6;
}

class Timer
{
    public $due, $callback, $id;
}

/** What a request and a response share: header values by name, and names by their lower case. */
trait Headers
{
    public function addHeader(string $name, string $value): void
    {
        if (isset($this->names[strtolower($name)])) {
            fail('cli_eventloop.php', "two headers $name");
        }
        $this->headers[$name] = [$value];
        $this->names[strtolower($name)] = $name;
    }

    public function referToValues(): void
    {
        foreach ($this->headers as &$values) {
            continue;
        }
    }

    public function header(string $name): ?string
    {
        $known = $this->names[strtolower($name)] ?? null;
        return $known === null ? null : $this->headers[$known][0];
    }
}

class Request
{
    use Headers;

    public $method, $target, $uri, $headers = [], $names = [], $body, $query, $server, $attributes = [], $p9, $p10, $p11,
        $p12;

    public function withAttribute(string $key, mixed $value): Request
    {
        $clone = clone $this;
        $clone->attributes[$key] = $value;
        return $clone;
    }
}

class Response
{
    use Headers;

    public $status, $reason, $headers = [], $names = [], $body, $p5;
}

/** Its trace is replaced by one that holds arguments, whatever zend.exception_ignore_args says. */
class RequestException extends Exception
{
    private static ?ReflectionProperty $property = null;

    public static function refuse(int $number, array $arguments): RequestException
    {
        $exception = new RequestException("request $number was refused");
        $trace = [];
        for ($i = 0; $i < TRACE_FRAMES; $i++) {
            $trace[] = ['file' => 'path', 'line' => 100 + $i, 'function' => 'data', 'class' => 'session',
                'args' => [...$arguments]];
        }
        self::$property ??= new ReflectionProperty(Exception::class, 'trace');
        self::$property->setValue($exception, $trace);
        return $exception;
    }
}

class Promise
{
    public $state = 0, $result, $handlers, $p3, $p4, $p5;

    public function settle(int $state, mixed $value): void
    {
        $this->state = $state;
        $this->result = $value;
        $handlers = $this->handlers ?? [];
        $this->handlers = null;
        foreach ($handlers as $handler) {
            $handler($value);
        }
    }
}

/** Makes the closures: `$this` of them leads to the loop, and so to all that lives on, where garbage is to be linked. */
class Closures
{
    public function __construct(public ?EventLoop $loop)
    {
    }

    /** A promise and the closures that settle it, which share it by reference. */
    public function defer(): array
    {
        $promise = new Promise();
        $target = $promise;
        $resolve = static function ($value) use (&$target): void {
            $target->settle(1, $value);
            $target = null;
        };
        $reject = static function ($reason) use (&$target): void {
            $target->settle(2, $reason);
        };
        return [$promise, $resolve, $reject];
    }

    public function then(Promise $promise, Closure $callback): Promise
    {
        [$child, $resolve, $reject] = $this->defer();
        $promise->handlers[] = function ($value) use ($callback, $resolve, $reject): void {
            if ($value instanceof RequestException) {
                $reject($value);
            } else {
                $resolve($callback($value));
            }
        };
        return $child;
    }

    public function timeout(Closure $reject): Closure
    {
        return function ($unused) use ($reject): void {
            EventLoop::$running->timeouts++;
        };
    }

    public function period(): Closure
    {
        return function ($unused): void {
            EventLoop::$running->startPeriod();
        };
    }

    public function serve(Connection $connection): Closure
    {
        return function (string $data) use ($connection): void {
            EventLoop::$running->serve($data, $connection);
        };
    }

    public function ignore(Connection $connection): Closure
    {
        return function ($unused) use ($connection): void {
        };
    }

    public function forgetBody(int $number): Closure
    {
        return function ($unused) use ($number): void {
        };
    }

    public function answer(Closure $resolve, Closure $reject, mixed $connection): Closure
    {
        return function (Request $request) use ($resolve, $reject, $connection): Response {
            return EventLoop::$running->answer($request, [$resolve, $reject, $connection]);
        };
    }

    public function passOn(Closure $next): Closure
    {
        return function (Request $request) use ($next): Response {
            return $next($request->withAttribute('REQUEST_TIME', EventLoop::$running->turn));
        };
    }

    public function respond(Request $request): Closure
    {
        return function (Response $response) use ($request): int {
            return EventLoop::$running->respond($response, $request);
        };
    }

    public function receive(int $number): Closure
    {
        return function (Response $response) use ($number): int {
            EventLoop::$running->checksum ^= crc32($response->body->content) + $number;
            return $response->status;
        };
    }
}

/* ---- The loop ---- */

class EventLoop
{
    public static EventLoop $running;
    public $connections = [], $timers = [], $written = [], $answered = [], $sessions = [], $log = [];
    public int $turn = 0, $timeouts = 0, $checksum = 0;
    private int $number = 0, $port = 0, $timer = 0, $line = 0, $count = 0;
    private array $toServer = [], $toClient = [], $vocabulary;
    private Closures $closures;
    private $output;
    private bool $failing = false;

    public function __construct(private array $options)
    {
        self::$running = $this;
        $this->vocabulary = explode(' ', trim(VOCABULARY));
        $this->closures = new Closures($options['linked'] ? $this : null);
    }

    /** What the sockets hold is in files, outside the heap. Read from once, a stream has the buffer that it keeps. */
    public function openSockets(): void
    {
        for ($i = 0; $i < $this->options['requests']; $i++) {
            foreach ([$this->toServer[] = tmpfile(), $this->toClient[] = tmpfile()] as $socket) {
                $this->write($socket, ' ');
                $this->read($socket);
            }
        }
    }

    public function boot(): void
    {
        ['connections' => $count, 'keepalive' => $keepalive] = $this->options;
        for ($i = 0; $i < $count; $i++) {
            $this->connections[] = $this->openConnection($i, intdiv($i * $keepalive, $count));
        }
        for ($i = 0; $i < $this->options['resident']; $i++) {
            $this->sessions[] = ['user' => words(2), 'seen' => 0, 'token' => words(4), 'cart' => [mt_rand(0, 999), $i]];
        }
        for ($i = 0; $i < $this->options['log']; $i++) {
            $this->logAccess(words(3), 200, $i);
        }
        $this->startPeriod();
    }

    public function runTurn(): void
    {
        $this->turn++;
        $this->runTimers();
        $this->runClient();
        $this->runServer();
        $this->beginRequests();
    }

    /* ---- Timers ---- */

    private function addTimer(int $turns, Closure $callback): Timer
    {
        $timer = new Timer();
        $timer->due = $this->turn + $turns;
        $timer->callback = $callback;
        $timer->id = ++$this->timer;
        return $this->timers[$timer->id] = $timer;
    }

    public function startPeriod(): void
    {
        $this->addTimer(PERIOD_TURNS, $this->closures->period());
    }

    private function runTimers(): void
    {
        $due = [];
        foreach ($this->timers as $timer) {
            if ($timer->due <= $this->turn) {
                $due[] = $timer;
            }
        }
        foreach ($due as $timer) {
            unset($this->timers[$timer->id]);
            ($timer->callback)(null);
        }
    }

    /* ---- Connections ---- */

    private function openEnd(bool $server): Connection
    {
        $end = new Connection();
        $end->id = 10000 + ++$this->port % 50000;
        $end->peer = 'tcp://127.0.0.1:' . $end->id;
        if ($this->options['linked']) {
            $end->loop = $this;
        }
        $end->stream = new Stream();
        foreach (EVENTS as $event) {
            $end->listeners[$event] = [$server && $event === 'data' ? $this->closures->serve($end)
                : $this->closures->ignore($end)];
        }
        return $end;
    }

    private function openConnection(int $index, int $served): Connection
    {
        $connection = $this->openEnd(true);
        $connection->other = $this->openEnd(false);
        $connection->index = $index;
        $connection->served = $served;
        $connection->pending = 0;
        return $connection;
    }

    private function takeConnection(int $number): Connection
    {
        $connection = $this->connections[$number % $this->options['connections']];
        $connection->served++;
        $connection->pending++;
        return $connection;
    }

    private function releaseConnection(Connection $connection): void
    {
        $connection->pending--;
        if ($connection->served < $this->options['keepalive'] || $connection->pending > 0) {
            return;
        }
        $connection->other->listeners = null;
        $connection->listeners = null;
        $this->connections[$connection->index] = $this->openConnection($connection->index, 0);
    }

    /* ---- Sessions and the access log ---- */

    private function touchSession(int $number): string
    {
        $this->sessions[$number]['seen']++;
        $this->sessions[$number]['token'] = words(4);
        return $this->sessions[$number]['user'];
    }

    private function logAccess(string $path, int $status, int $bytes): void
    {
        $this->log[$this->line++ % $this->options['log']] = ['REQUEST_TIME' => $this->turn, 'path' => $path,
            'status' => $status, 'bytes' => $bytes];
    }

    /* ---- Messages ---- */

    private function read($socket): string
    {
        rewind($socket);
        return fread($socket, READ_BYTES);
    }

    private function write($socket, string $text): int
    {
        ftruncate($socket, 0);
        rewind($socket);
        return fwrite($socket, $text);
    }

    private function word(): string
    {
        return $this->vocabulary[mt_rand(0, count($this->vocabulary) - 1)];
    }

    private function makeUri(string $target, string $host): Uri
    {
        $uri = new Uri();
        $question = strpos($target, '?');
        $uri->scheme = 'http';
        $uri->host = $host;
        $uri->port = 8080;
        $uri->path = substr($target, 0, $question);
        $uri->query = substr($target, $question + 1);
        return $uri;
    }

    private function makeBody(string $content): Stream
    {
        $body = new Stream();
        $body->content = $content;
        $body->position = 0;
        $body->listeners = [];
        $body->listeners['close'] = [$this->closures->forgetBody($this->count)];
        return $body;
    }

    private function writeRequest(int $number, $socket): string
    {
        $request = new Request();
        $request->method = 'GET';
        $target = sprintf('/%s/%s?id=%d&page=%d', $this->word(), $this->word(), $number, mt_rand(0, 9));
        $request->target = $target;
        $request->addHeader('Host', sprintf('%s.example', $this->word()));
        $request->addHeader('Cookie', sprintf('session=%d', mt_rand(0, $this->options['resident'] - 1)));
        $request->addHeader('User-Agent', 'loop/1.0');
        $request->uri = $this->makeUri($target, $request->header('Host'));
        $output = $request->method;
        $output .= ' ';
        $output .= $target;
        $output .= ' HTTP/1.1';
        $this->appendHeaders($output, $request->headers);
        $output .= "\nAccept: text/html\nConnection: keep-alive\n\n";
        $this->write($socket, $output);
        return $target;
    }

    private function appendHeaders(string &$output, array $headers): void
    {
        foreach ($headers as $name => $values) {
            $output .= sprintf("\n%s: %s", $name, $values[0]);
        }
    }

    /** The words of the first line and the body; headers go to the message. */
    private function parse(string $data, Request|Response $message): array
    {
        $length = strpos($data, "\n\n");
        $head = substr($data, 0, $length);
        $end = strpos($head, "\n");
        $start = explode(' ', substr($head, 0, $end));
        while ($end < $length) {
            $begin = $end + 1;
            $end = strpos($head, "\n", $begin) ?: $length;
            $colon = strpos($head, ':', $begin);
            $match = [substr($head, $begin, $end - $begin), substr($head, $begin, $colon - $begin),
                substr($head, $colon + 2, $end - $colon - 2)];
            $message->addHeader($match[1], $match[2]);
        }
        return [$start, substr($data, $length + 2)];
    }

    private function parseRequest(string $data): Request
    {
        $request = new Request();
        [$start, $body] = $this->parse($data, $request);
        $request->referToValues();
        $request->method = $start[0];
        $request->target = $start[1];
        $request->body = $this->makeBody($body);
        return $request;
    }

    private function setAddresses(Request $request, Connection $connection): void
    {
        $request->server = ['REQUEST_TIME' => $this->turn / 1000, 'REMOTE_ADDR' => $connection->peer];
        $request->uri = $this->makeUri($request->target, $request->header('Host'));
        parse_str($request->uri->query, $request->query);
        foreach (['Content-Length', 'Transfer-Encoding', 'Upgrade', 'Connection'] as $name) {
            $request->header($name);
        }
    }

    private function makeResponse(int $status, string $body): Response
    {
        $response = new Response();
        $response->status = $status;
        $response->reason = $status === 200 ? 'OK' : 'Error';
        $response->addHeader('Content-Type', 'text/html');
        $response->addHeader('Content-Length', (string) strlen($body));
        $response->addHeader('Server', 'loop/1.0');
        $response->referToValues();
        $response->body = $this->makeBody($body);
        return $response;
    }

    private function sendResponse(Response $response): int
    {
        $output = 'HTTP/1.1 ' . (string) $response->status;
        $output .= ' ';
        $output .= $response->reason;
        $this->appendHeaders($output, $response->headers);
        $output .= "\n\n";
        $output .= $response->body->content;
        return $this->write($this->output, $output);
    }

    private function parseResponse(string $data): Response
    {
        $response = new Response();
        [$start, $body] = $this->parse($data, $response);
        $response->status = (int) $start[1][0];
        $response->reason = $start[2];
        $response->body = $this->makeBody($body);
        $response->header('Transfer-Encoding');
        $response->header('Content-Length');
        return $response;
    }

    /* ---- The server ---- */

    private function runServer(): void
    {
        $ready = $this->written;
        $this->written = [];
        foreach (array_keys($ready) as $i) {
            $exchange = $ready[$i];
            $ready[$i] = null;
            $this->output = $this->toClient[$i];
            $share = $this->options['errors'];
            $this->failing = intdiv(($exchange->number + 1) * $share, 100) > intdiv($exchange->number * $share, 100);
            $this->emit($exchange->connection, [$this->read($this->toServer[$i])]);
            $this->answered[] = $exchange;
        }
    }

    private function emit(Connection $connection, array $arguments): void
    {
        foreach ($connection->listeners['data'] as $listener) {
            $data = $arguments[0];
            unset($arguments);
            $listener($data);
        }
    }

    public function serve(string $data, Connection $connection): void
    {
        $request = $this->parseRequest($data);
        $this->setAddresses($request, $connection);
        [$promise, $resolve, $reject] = $this->closures->defer();
        $this->closures->then($promise, $this->closures->respond($request));
        $held = $this->options['linked'] ? $connection : $connection->id;
        $next = $this->closures->passOn($this->closures->answer($resolve, $reject, $held));
        $chain = $this->closures->passOn($next);
        try {
            $resolve($chain($request));
        } catch (RequestException $exception) {
            $reject($exception);
            $this->respond($this->makeResponse(500, sprintf('error %d', $this->turn)), $request);
        }
    }

    public function answer(Request $request, array $arguments): Response
    {
        if ($this->failing) {
            throw RequestException::refuse($this->count, $arguments);
        }
        $user = $this->touchSession((int) substr($request->header('Cookie'), 8));
        $words = words($this->count % RESPONSES_PER_LONG_ONE === 0 ? LONG_BODY_WORDS : SHORT_BODY_WORDS);
        return $this->makeResponse(200, sprintf('<h1>%s</h1><p>%s</p>', $user, $words));
    }

    public function respond(Response $response, Request $request): int
    {
        $bytes = $this->sendResponse($response);
        $this->logAccess($request->target, $response->status, $bytes);
        return $bytes;
    }

    /* ---- The client ---- */

    private function runClient(): void
    {
        $ready = $this->answered;
        $this->answered = [];
        foreach (array_keys($ready) as $i) {
            $exchange = $ready[$i];
            $ready[$i] = null;
            $data = $this->read($this->toClient[$i]);
            $response = $this->parseResponse($data);
            ($exchange->resolve)($response);
            unset($this->timers[$exchange->timer->id]);
            $this->releaseConnection($exchange->connection);
            $this->count++;
        }
    }

    private function beginRequests(): void
    {
        for ($i = 0; $i < $this->options['requests']; $i++) {
            $exchange = new Exchange();
            $exchange->number = $this->number++;
            $exchange->connection = $this->takeConnection($exchange->number);
            $exchange->target = $this->writeRequest($exchange->number, $this->toServer[$i]);
            [$promise, $exchange->resolve, $reject] = $this->closures->defer();
            $exchange->result = $this->closures->then($promise, $this->closures->receive($exchange->number));
            $exchange->timer = $this->addTimer(TIMEOUT_TURNS, $this->closures->timeout($reject));
            $this->written[] = $exchange;
        }
    }
}

$options = read_options('cli_eventloop.php', array_slice($argv, 1), USAGE, ['steps' => 400, 'seed' => 1,
    'connections' => 50, 'requests' => 20, 'errors' => 0, 'resident' => 1400, 'log' => 500, 'keepalive' => 40,
    'linked' => 1]);
if ($options['connections'] < 1 || $options['requests'] < 1 || $options['resident'] < 1 || $options['log'] < 1) {
    fail('cli_eventloop.php', 'expected at least one connection, request, session and line of the log');
}
mt_srand($options['seed']);
words(1);
$loop = new EventLoop($options);
$loop->openSockets();
$checkpoints = new Checkpoints($options['steps']);
$loop->boot();
for ($step = 1; $step <= $options['steps']; $step++) {
    $loop->runTurn();
    $checkpoints->pass($step);
}
$checkpoints->report('cli_eventloop', $options, $loop->checksum);
