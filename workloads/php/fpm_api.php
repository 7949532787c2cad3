<?php
/* Twin of the workload fpm-api: the same JSON request in PHP. README.md says what corresponds to what. */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/twin_requests.php';

const HELP = "  --providers=N, --routes=N, --posts=N, --related=N, --orders=N   as the workload's options\n";
const DEFAULTS = ['providers' => 23, 'routes' => 40, 'posts' => 44, 'related' => 3, 'orders' => 3];
const BINDINGS_PER_PROVIDER = 10;
const LISTENERS_PER_PROVIDER = 4;
const CONFIG_FILES = 14;
const CONFIG_ENTRIES = 8;
const MIDDLEWARE = 8;
const SERVICES_ASKED_FOR = 160;
const ITEMS_PER_ORDER = 4;
const CLASS_NAMES = 48;
const COLUMNS = ['id', 'title', 'slug', 'body', 'status', 'created_at', 'updated_at', 'parent_id'];
const NAME_PARTS = [['App\\Models\\', ''], ['App\\Http\\Controllers\\', 'Controller'],
    ['Framework\\Database\\Eloquent\\', 'Builder'], ['Framework\\Contracts\\Support\\', 'Castable'],
    ['Framework\\Routing\\', 'Dispatcher'], ['Framework\\Support\\', ''],
    ['Framework\\Foundation\\Http\\', 'Request'], ['App\\Casts\\', 'Cast']];

/* Classes: as many properties as the workload's, since size is what matters. */

class Service
{
    public $name, $container, $options, $part0, $part1, $part2;
    public $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20;
}

class Provider
{
    public $container, $booted;
}

class Route
{
    public $uri, $methods, $action, $container;
    public $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19;
}

class Builder
{
    public $table, $wheres, $bindings, $columns;
    public $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20, $p21, $p22,
        $p23, $p24, $p25, $p26, $p27, $p28, $p29;
}

class Model
{
    public $attributes, $original, $relations, $exists, $cast0, $cast1, $cast2, $cast3;
    public $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20, $p21, $p22, $p23, $p24, $p25,
        $p26, $p27, $p28, $p29, $p30, $p31, $p32, $p33;
}

class Date
{
    public $stamp, $text, $p2, $p3;
}

class Resource
{
    public $model, $with;
}

class Api
{
    private array $names = [];
    private array $classes = [];
    private array $config = [];
    private array $bindings = [];
    private array $instances = [];
    private array $listeners = [];
    private array $providers = [];
    public array $routes = [];

    public function __construct(private array $options, private int $request)
    {
        $words = explode(' ', trim(VOCABULARY));
        for ($i = 0; $i < CLASS_NAMES; $i++) {
            $parts = NAME_PARTS[$i % count(NAME_PARTS)];
            $this->names[] = $parts[0] . $words[$i] . $parts[1];
            $this->classes[strtolower($this->names[$i])] = $i;
        }
        for ($i = 0; $i < CONFIG_FILES; $i++) {
            $this->config["file_$i"] = $this->configFile();
        }
        for ($i = 0; $i < $options['providers']; $i++) {
            $this->register($i);
        }
        for ($i = 0; $i < $options['routes']; $i++) {
            $this->addRoute($i);
        }
    }

    /** A lower-cased copy of the name is looked up and thrown away. */
    private function classExists(int $number): bool
    {
        return isset($this->classes[strtolower($this->names[$number % CLASS_NAMES])]);
    }

    private function pair(string $first, string $second, mixed $value): array
    {
        $pair = [];
        $pair[$first] = true;
        $pair[$second] = $value;
        return $pair;
    }

    /* ---- Boot ---- */

    private function configFile(): array
    {
        $file = [];
        for ($i = 0; $i < CONFIG_ENTRIES; $i++) {
            $file[words(1)] = $i % 4 === 3 ? $this->pair('type', 'value', words(1)) : words(1 + $i % 3);
        }
        return $file;
    }

    private function bindingName(int $binding): string
    {
        return $this->names[$binding % CLASS_NAMES] . $binding;
    }

    public function buildService(int $binding, Provider $provider): Service
    {
        $service = new Service();
        $service->container = $provider;
        $service->name = $this->bindingName($binding);
        $service->options = $this->pair('type', 'value', $binding);
        foreach (['part0', 'part1', 'part2'] as $i => $part) {
            $service->$part = new Provider();
            $service->$part->container = $provider;
            $this->classExists($binding + $i);
        }
        return $service;
    }

    private function bind(int $binding, Provider $provider): void
    {
        for ($i = 0; $i < 3; $i++) {
            $this->classExists($binding + $i);
        }
        $api = WeakReference::create($this);
        $concrete = static fn () => $api->get()->buildService($binding, $provider);
        $this->bindings[$this->bindingName($binding)] = $this->pair('shared', 'concrete', $concrete);
    }

    private function register(int $number): void
    {
        static $events = ['eloquent.saved', 'eloquent.retrieved', 'eloquent.booted', 'router.matched'];
        $provider = new Provider();
        for ($i = 0; $i < BINDINGS_PER_PROVIDER; $i++) {
            $this->bind($number * BINDINGS_PER_PROVIDER + $i, $provider);
        }
        for ($i = 0; $i < LISTENERS_PER_PROVIDER; $i++) {
            $event = $number * LISTENERS_PER_PROVIDER + $i;
            $name = $events[$event % 4] . ': ' . $this->names[intdiv($event, 4) % CLASS_NAMES];
            $this->listeners[$name][0] = static fn () => 1;
        }
        $this->providers[] = $provider;
    }

    private function addRoute(int $number): void
    {
        $route = new Route();
        $this->routes[] = $route;
        $route->uri = 'api/' . $number . '/' . $number;
        $route->methods[] = words(1);
        $middleware = [];
        $middleware[] = words(1);
        $route->action = $this->pair('uses', 'middleware', $middleware);
        $route->action['as'] = 'index' . $number;
        $route->action['prefix'] = words(1);
        $this->classExists($number);
        $this->classExists($number + 1);
    }

    /* ---- Services and events ---- */

    public function make(int $binding): Service
    {
        $number = $binding % ($this->options['providers'] * BINDINGS_PER_PROVIDER);
        $name = $this->bindingName($number);
        for ($i = 0; $i < 8; $i++) {
            $this->classExists($number + $i);
        }
        for ($i = 0; $i < 3; $i++) {
            $this->pair('abstract', 'callbacks', null);
        }
        return $this->instances[$name] ??= ($this->bindings[$name]['concrete'])();
    }

    private function fire(string $event, int $class): void
    {
        $name = $event . ': ' . $this->names[$class % CLASS_NAMES];
        if (isset($this->listeners[$name])) {
            ($this->listeners[$name][0])();
        }
    }

    /* ---- The request ---- */

    public function runMiddleware(): int
    {
        $api = WeakReference::create($this);
        $next = null;
        for ($i = 0; $i < MIDDLEWARE; $i++) {
            $next = static function () use ($api, $next, $i): int {
                for ($j = 0; $j < 8; $j++) {
                    $api->get()->classExists($i + $j);
                }
                $api->get()->make($i);
                return $next === null ? $i : $next() + 1;
            };
        }
        return $next();
    }

    public function matchRoute(string $path): ?Route
    {
        foreach ($this->routes as $route) {
            $pattern = '#^/' . $route->uri;
            if (substr_compare($pattern, $path, 3) === 0) {
                return $route;
            }
        }
        return null;
    }

    public function askForServices(): void
    {
        for ($i = 0; $i < SERVICES_ASKED_FOR; $i++) {
            $this->make($i * 7 + $this->request);
        }
    }

    /* ---- Models ---- */

    private function lookForAccessor(int $class, string $key): bool
    {
        return isset($this->classes[$this->names[$class % 6 * 8] . '::get' . $key . 'attribute']);
    }

    private function hasCast(string $key): bool
    {
        return isset($this->pair('id', 'created_at', 1)[$key]);
    }

    private function isDate(int $number, string $key): bool
    {
        $dates = [];
        $dates[] = 'created_at';
        $dates[] = 'updated_at';
        $this->classExists($number * 7);
        return $this->hasCast($key) || in_array($key, $dates, true);
    }

    private function checkFillable(int $id, int $number, string $key): void
    {
        $arguments = [];
        $arguments[] = $key;
        $this->lookForAccessor($id, $key);
        $this->classExists($number);
        unset($arguments);
        $this->classExists($number + 1);
        $this->pair('type', 'column', $key);
    }

    private function hydrate(array $row): Model
    {
        $id = $row['id'];
        $model = new Model();
        foreach (['eloquent.booting', 'eloquent.booted', 'eloquent.initialized'] as $event) {
            $this->fire($event, $id);
        }
        for ($i = 0; $i < 6; $i++) {
            $this->classExists($id + $i);
        }
        for ($i = 0; $i < count(COLUMNS); $i += 2) {
            $column = COLUMNS[$i];
            $reference = &$column;
            $this->checkFillable($id, $i, $column);
            unset($reference, $column);
            $this->checkFillable($id, $i + 1, COLUMNS[$i + 1]);
        }
        $model->attributes = $row;
        $model->original = $row;
        $model->exists = true;
        $this->fire('eloquent.retrieved', $id);
        return $model;
    }

    private function row(int $id, int $parent): array
    {
        $stamp = 1700000000 + mt_rand(0, 49999999);
        $row = [];
        $row['id'] = $id;
        $row['title'] = words(4);
        $row['slug'] = words(1);
        $row['body'] = words(25);
        $row['status'] = $id % 3;
        $row['created_at'] = (string) $stamp;
        $row['updated_at'] = (string) ($stamp + 60);
        $row['parent_id'] = $parent;
        return $row;
    }

    private function query(int $first, int $count, int $parent): array
    {
        $builder = new Builder();
        foreach (['parent_id', 'status'] as $column) {
            $where = $this->pair('type', 'value', $parent);
            $where['column'] = $column;
            $where['operator'] = 'operator';
            $builder->wheres[] = $where;
        }
        $pieces = [];
        foreach (COLUMNS as $column) {
            $pieces[] = 'posts.' . $column;
        }
        foreach ($builder->wheres as $where) {
            $pieces[] = 'where ? = ' . $where['column'];
        }
        $sql = implode(', ', $pieces);
        unset($sql);
        $rows = $models = [];
        for ($i = 0; $i < $count; $i++) {
            $rows[] = $row = $this->row($first + $i, $parent);
            $models[] = $this->hydrate($row);
        }
        return $models;
    }

    public function fetchPosts(): array
    {
        $posts = $this->query(1, $this->options['posts'], 0);
        foreach ($posts as $i => $post) {
            $related = $this->query(($i + 1) * 1000, $this->options['related'], $i + 1);
            $post->relations = $this->pair('meta', 'related', $related);
        }
        return $posts;
    }

    /* ---- Resources ---- */

    private function cast(Model $model, int $number, string $key, mixed $value, array &$dates): mixed
    {
        $this->lookForAccessor($number, $key);
        for ($i = 0; $i < 3; $i++) {
            $this->classExists($number * 3 + $i);
        }
        $this->hasCast($key);
        $wrapped = new Resource();
        $wrapped->model = $value;
        if ($number < 4) {
            $model->{'cast' . $number} = $wrapped;
        }
        unset($wrapped);
        for ($i = 0; $i < 3; $i++) {
            $this->classExists($number * 5 + $i);
        }
        if (!$this->isDate($number, $key) || !is_string($value)) {
            return $value;
        }
        $date = new Date();
        $dates[] = $date;
        $date->stamp = $value;
        $date->text = '2026-11-' . substr($value, 8) . 'T00:00:00Z';
        return $date->text;
    }

    private function resource(Model $model): array
    {
        $resource = new Resource();
        $resource->model = $model;
        $result = $dates = [];
        for ($i = 0; $i < count(COLUMNS) - 1; $i++) {
            $key = COLUMNS[$i];
            $result[$key] = $this->cast($model, $i, $key, $model->attributes[$key], $dates);
        }
        if (is_array($model->relations)) {
            $result['related'] = $this->resources($model->relations['related']);
        }
        return $result;
    }

    public function resources(array $models): array
    {
        $list = [];
        foreach ($models as $model) {
            $list[] = $this->resource($model);
        }
        return $list;
    }
}

run_requests('fpm_api', DEFAULTS, HELP, static function (int $number, array $options): array {
    $api = new Api($options, $number);
    $body = make_batch($number, $options['orders'], ITEMS_PER_ORDER);
    $input = (new MessageDecoder($body))->decode();
    $api->runMiddleware();
    $last = $options['routes'] - 1;
    $route = $api->matchRoute("api/$last/$last");
    $api->askForServices();
    $posts = $api->fetchPosts();
    $resources = ['meta' => true, 'data' => $api->resources($posts)];
    $output = json_encode($resources);
    return [$output, [$api, $body, $input, $route, $posts, $resources]];
});
