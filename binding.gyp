# CMakeLists.txt is the build graph; this file lets tools that look for binding.gyp reach it.
{
  "targets": [
    {
      "target_name": "flashbook",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/Release/flashbook.node"],
          "action": ["npm", "run", "build:native"]
        }
      ]
    }
  ]
}
