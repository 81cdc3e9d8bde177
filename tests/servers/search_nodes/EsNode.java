// An Elasticsearch node within a plain Java machine: EsNode HOME DATA PORT [SETTING=VALUE...]
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Collections;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

public class EsNode {
  public static void main(String[] given) throws Exception {
    Path home = Paths.get(given[0]), data = Paths.get(given[1]);
    Files.createDirectories(home.resolve("config"));
    Files.createDirectories(data);
    LogConfigurator.configureWithoutConfig(Settings.builder().put("logger.level", "WARN").build());
    LogConfigurator.configureESLogging();
    Settings.Builder settings = Settings.builder()
        .put("path.home", home.toString()).put("path.data", data.toString())
        .put("cluster.name", "tests").put("node.name", "n1")
        .put("network.host", "127.0.0.1").put("http.port", given[2])
        .put("discovery.type", "single-node")
        .put("cluster.routing.allocation.disk.threshold_enabled", false);
    for (int i = 3; i < given.length; i++) {
      String[] pair = given[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    Environment environment = InternalSettingsPreparer.prepareEnvironment(
        settings.build(), Collections.emptyMap(), home.resolve("config"), () -> "n1");
    PluginsLoader plugins = PluginsLoader.createPluginsLoader(
        PluginsLoader.loadModulesBundles(home.resolve("modules")),
        PluginsLoader.loadPluginsBundles(home.resolve("plugins")), Map.of(), false);
    Node node = new Node(environment, plugins);
    node.start();
    Thread.currentThread().join();
  }
}
